import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { instant } from '@causeway/protocol'
import { STAMP_BYTES, type ProbeReport } from '@causeway/probe/probe-tool'
import { afterEach, describe, expect, it } from 'vitest'
import { LossyRelay, type Treatment } from './lossy-relay.ts'
import { PROBE_DEFAULTS, type ProbePlan } from './prober.ts'
import { StampProber } from './stamp-prober.ts'
import { StampReflector } from './stamp-reflector.ts'

const HOST = '127.0.0.1'
const PLAN: ProbePlan = { ...PROBE_DEFAULTS, count: 20, intervalMs: 1, timeoutMs: 400 }
const ALL: Treatment = () => 1
const NEVER = new AbortController().signal

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step()
})

async function reflect(clockErrorMs?: number): Promise<{ readonly reflector: StampReflector; readonly port: number }> {
  const reflector = await StampReflector.start({ listen: { host: HOST, port: 0 }, clockErrorMs })
  undo.push(() => reflector.stop())
  return { reflector, port: Number(reflector.address.split(':')[1]) }
}

async function probe(port: number, plan: ProbePlan = PLAN, signal = NEVER): Promise<ProbeReport> {
  const prober = new StampProber('x', { host: HOST, port }, plan)
  await prober.run(signal)
  return prober.tally.report(instant(performance.now()))
}

async function probeOver(there: Treatment, back: Treatment): Promise<ProbeReport> {
  const { port } = await reflect()
  const relay = await LossyRelay.start(port, there, back)
  undo.push(() => relay.stop())
  return probe(relay.port)
}

describe('StampProber and StampReflector', () => {
  it('count every packet, over as many source ports as asked for', async () => {
    const { reflector, port } = await reflect()
    const report = await probe(port, { ...PLAN, ports: 5, bytes: 300 })
    expect(report).toMatchObject({ sent: 20, received: 20, lost: { total: 0, forward: 0, backward: 0 }, duplicated: 0, late: 0 })
    expect(report.rttMs.min).toBeGreaterThan(0)
    expect(report.oneWayMs).toBeNull()
    expect(reflector.counts).toEqual({ received: 20, reflected: 20, malformed: 0, refused: 0, unsent: 0, sessions: 5 })
  })

  it('tell the ways of loss apart', async () => {
    // Of 20 packets 3 do not get there; of the 17 replies 2 do not come back.
    const report = await probeOver(
      (n) => ([3, 4, 11].includes(n) ? 0 : 1),
      (n) => ([1, 9].includes(n) ? 0 : 1),
    )
    expect(report).toMatchObject({ sent: 20, received: 15, lost: { total: 5, forward: 3, backward: 2 } })
    expect(report.lossRatio).toEqual({ total: 5 / 20, forward: 3 / 20, backward: 2 / 17 })
  })

  it('know a packet that was doubled on its way there, and one on its way back', async () => {
    const report = await probeOver(
      (n) => (n === 5 ? 2 : 1),
      (n) => (n === 10 ? 2 : 1),
    )
    expect(report).toMatchObject({ sent: 20, received: 20, duplicated: 2, lost: { total: 0, forward: 0, backward: 0 } })
  })

  it('tell the ways of delay apart if both say that their clocks are good', async () => {
    const { port } = await reflect(2)
    const { oneWayMs, rttMs } = await probe(port, { ...PLAN, clockErrorMs: 3 })
    // Estimates of errors are rounded up to what the packet can say.
    expect(oneWayMs?.uncertainty).toBeCloseTo(5, 1)
    expect(Math.abs((oneWayMs?.forward ?? 0) + (oneWayMs?.backward ?? 0) - (rttMs.avg ?? 0))).toBeLessThan(50)
  })

  it('see through a reflector that only copies numbers: the way of a loss is not known', async () => {
    const stateless = createSocket('udp4', (request, from) => {
      const reply = Buffer.alloc(request.length)
      request.copy(reply, 0, 0, 14)
      request.copy(reply, 24, 0, 14)
      request.copy(reply, 16, 4, 12)
      if (request.readUInt32BE(0) !== 7) stateless.send(reply, from.port, from.address)
    }).bind(0, HOST)
    undo.push(() => void stateless.close())
    await once(stateless, 'listening')
    const report = await probe(stateless.address().port)
    expect(report).toMatchObject({ sent: 20, received: 19, lost: { total: 1, forward: null, backward: null } })
  })

  it('is not told anything by strangers', async () => {
    const replies = createSocket('udp4', (_request, from) => {
      for (const bytes of [0, 1, 43, STAMP_BYTES, 2000]) replies.send(Buffer.alloc(bytes, 0xff), from.port, from.address)
    }).bind(0, HOST)
    undo.push(() => void replies.close())
    await once(replies, 'listening')
    const prober = new StampProber('x', { host: HOST, port: replies.address().port }, { ...PLAN, count: 3, timeoutMs: 100 })
    await prober.run(NEVER)
    expect(prober.tally.report(instant(performance.now()))).toMatchObject({ sent: 3, received: 0, lost: { total: 3, forward: null } })
    expect(prober.strange).toBeGreaterThan(0)
  })

  it('says when nothing listens', async () => {
    const socket = createSocket('udp4').bind(0, HOST)
    await once(socket, 'listening')
    const { port } = socket.address()
    await new Promise<void>((done) => void socket.close(() => done()))
    const report = await probe(port, { ...PLAN, count: 3, timeoutMs: 50 })
    expect(report).toMatchObject({ received: 0, lost: { total: 3 }, fault: expect.stringContaining('refused') })
  })

  it('stops at once when told to, and holds nothing against the target', async () => {
    const { port } = await reflect()
    const relay = await LossyRelay.start(port, ALL, (n) => (n < 3 ? 1 : 0))
    undo.push(() => relay.stop())
    const prober = new StampProber('x', { host: HOST, port: relay.port }, { ...PLAN, count: null, timeoutMs: 3_600_000 })
    const interrupt = new AbortController()
    const running = prober.run(interrupt.signal)
    while (prober.tally.sent < 6) await new Promise((done) => setImmediate(done))
    interrupt.abort()
    await running
    expect(prober.tally.report(instant(performance.now()))).toMatchObject({ sent: 3, received: 3, lost: { total: 0 } })
  })

  it('refuses what UDP sockets of this platform cannot do', () => {
    expect(() => new StampProber('x', { host: HOST, port: 1 }, { ...PLAN, dscp: 46 })).toThrow(/--dscp cannot be set on UDP/)
  })
})

describe('StampReflector', () => {
  it('answers garbage with nothing, and nothing with more than came', async () => {
    const { reflector, port } = await reflect()
    const lengths: number[] = []
    const socket = createSocket('udp4', (reply) => lengths.push(reply.length)).bind(0, HOST)
    undo.push(() => void socket.close())
    await once(socket, 'listening')
    const sizes = [0, 1, 13, 43, 44, 45, 47, 48, 100, 1400, 9000]
    for (const size of sizes) socket.send(Buffer.alloc(size, 0xa5), port, HOST)
    while (reflector.counts.received < sizes.length || lengths.length < 7) await new Promise((done) => setImmediate(done))
    expect(reflector.counts).toMatchObject({ received: 11, reflected: 7, malformed: 4, unsent: 0 })
    expect(lengths.toSorted((a, b) => a - b)).toEqual([44, 45, 47, 48, 100, 1400, 9000])
  })

  it('says which port is taken, and where to change it', async () => {
    const { port } = await reflect()
    const start = StampReflector.start({ listen: { host: HOST, port }, setting: 'probe.stampReflector' })
    await expect(start).rejects.toMatchObject({ code: 'port-in-use', remedy: expect.stringContaining('probe.stampReflector') })
  })
})
