import { once } from 'node:events'
import { type AddressInfo, type Server, createServer } from 'node:net'
import { instant } from '@causeway/protocol'
import type { ProbeReport } from '@causeway/probe/probe-tool'
import { afterEach, describe, expect, it } from 'vitest'
import { PROBE_DEFAULTS, type ProbePlan } from './prober.ts'
import { TcpProber } from './tcp-prober.ts'

const HOST = '127.0.0.1'
const PLAN: ProbePlan = { ...PROBE_DEFAULTS, count: 5, intervalMs: 1, timeoutMs: 2_000 }

let server: Server | undefined
afterEach(() => void server?.close())

async function listen(): Promise<number> {
  server = createServer((socket) => socket.on('error', () => undefined)).listen(0, HOST)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function probe(host: string, port: number, plan = PLAN): Promise<ProbeReport> {
  const prober = new TcpProber('x', { host, port }, plan)
  await prober.run(new AbortController().signal)
  return prober.tally.report(instant(performance.now()))
}

describe('TcpProber', () => {
  it('takes the time to connect; which way was lost it cannot know', async () => {
    const report = await probe(HOST, await listen(), { ...PLAN, dscp: 46 })
    expect(report).toMatchObject({ sent: 5, received: 5, lost: { total: 0, forward: null, backward: null }, fault: null })
    expect(report.rttMs.min).toBeGreaterThan(0)
  })

  it('counts a refusal as lost, and says so', async () => {
    const port = await listen()
    await new Promise((done) => server?.close(done))
    const report = await probe(HOST, port)
    expect(report).toMatchObject({ sent: 5, received: 0, lost: { total: 5 }, fault: expect.stringContaining('refused') })
  })

  it('says when a name does not resolve', async () => {
    await expect(probe('nosuch.invalid', 1)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('nosuch.invalid'),
    })
  })
})
