/** A process whose main thread stands still goes on answering probes, and its replies say for how long it has. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type DatagramKey, type NetworkInput, type ProbeReply, instant } from '@causeway/protocol'
import { Datagrams } from './datagrams.ts'
import { Pulse } from './pulse.ts'

const STALL_MS = 500

/** Answers with port and key; then stands still for as long as it is told. */
const REFLECTOR = `
  const { Datagrams } = await import(process.argv[1] + '/datagrams.ts')
  const { PULSE_MS, Pulse } = await import(process.argv[1] + '/pulse.ts')
  const pulse = new Pulse()
  pulse.beat(performance.now())
  setInterval(() => pulse.beat(performance.now()), PULSE_MS)
  const datagrams = await Datagrams.open({ listen: { host: '127.0.0.1', port: 0 }, pulse, onInput() {}, onLost() {} })
  process.on('message', (message) => {
    if (message.remote) return datagrams.openRemote(1, message.remote)
    for (const until = performance.now() + message.stallMs; performance.now() < until; );
    process.send({ stalled: true })
  })
  process.once('disconnect', () => process.exit())
  process.send({ port: datagrams.port, local: datagrams.associate(1, undefined) })`

let reflector: ChildProcess
let datagrams: Datagrams
const replies: ProbeReply[] = []
beforeEach(async () => {
  replies.length = 0
  reflector = spawn(process.execPath, ['--input-type=module', '-e', REFLECTOR, new URL('.', import.meta.url).href.replace(/\/$/, '')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const [{ port, local }] = (await once(reflector, 'message')) as [{ port: number; local: DatagramKey }]
  datagrams = await Datagrams.open({
    listen: { host: '127.0.0.1', port: 0 },
    pulse: new Pulse(),
    onInput: (input: NetworkInput) => {
      if (input.type === 'probed' && input.packet.type === 'reply') replies.push(input.packet)
    },
    onLost: (cause) => expect.unreachable(cause.message),
  })
  const remote = datagrams.associate(1, { host: '127.0.0.1', port })
  datagrams.openRemote(1, local)
  reflector.send({ remote })
})
afterEach(async () => {
  const gone = once(reflector, 'exit')
  reflector.disconnect()
  await Promise.all([gone, datagrams.close()])
})

/** Probes again and again until a reply bears `condition`. */
async function probeUntil(condition: (reply: ProbeReply) => boolean): Promise<void> {
  replies.length = 0
  const known = { urgent: false, alone: false, degraded: false, rttMs: null, queueMs: null, replies: 0, nextMs: 10 }
  await vi.waitFor(
    () => {
      datagrams.sendProbe(1, { type: 'probe', sequence: 0, sent: instant(0), ...known })
      expect(replies.some(condition)).toBe(true)
    },
    { timeout: 10_000, interval: 10 },
  )
}

it('answers while it stands still, with its age, and is young again afterwards', async () => {
  await probeUntil((reply) => reply.ageMs === 0)
  const stalled = once(reflector, 'message')
  reflector.send({ stallMs: STALL_MS })
  await probeUntil((reply) => reply.ageMs > STALL_MS / 2)
  const ages = replies.map((reply) => reply.ageMs)
  expect(ages).toEqual(ages.toSorted((one, other) => one - other))
  await stalled
  await probeUntil((reply) => reply.ageMs === 0)
})
