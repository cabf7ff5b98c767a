/**
 * The other ends of a thousand links, in one process: each has its own monitor, which probes as one does on a link in
 * use, and its own keys; they share a socket.
 */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { setInterval } from 'node:timers'
import { type DatagramKey, SeededRandom, WAKE, decodeProbePacket, encodeProbePacket, instant } from '@causeway/protocol'
import { DropCounters } from '../../../packages/daemon/src/datagram-drops.ts'
import { DepartureLead } from '../../../packages/daemon/src/departure-lead.ts'
import { PULSE_MS, Pulse } from '../../../packages/daemon/src/pulse.ts'
import { type Departure, SealedLane } from '../../../packages/daemon/src/sealed-lane.ts'
import { LinkMonitor, type MonitorEffect, type MonitorInput } from '../../../packages/probe/src/index.ts'
import { type CrowdAnswer, type CrowdOrder, LOOPBACK } from './reflecting-talk.ts'

const LOOK_MS = 10
/** Keeps the links in use. */
const TRAFFIC_MS = 400
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

const now = (): ReturnType<typeof instant> => instant(performance.now())
const pulse = new Pulse()
const lane = new SealedLane({ now, pulse, drops: new DropCounters(), lead: new DepartureLead() })
const socket = createSocket('udp4')
const monitors: LinkMonitor[] = []
let keys: DatagramKey[] = []

socket.on('message', (packet, from) => {
  const at = now()
  const arrival = lane.receive(packet, { host: from.address, port: from.port }, at)
  if (!arrival) return
  send(arrival.reply)
  const message = decodeProbePacket(arrival.message)
  if (!message) return
  const input = message.type === 'reply' ? ({ type: 'reply', reply: message } as const) : ({ type: 'probed', probe: message } as const)
  tell(arrival.connection, { ...input, via: 'udp', at })
})

function tell(connection: number, input: MonitorInput): void {
  const monitor = monitors[connection]
  if (monitor) for (const effect of monitor.handle(now(), input)) carryOut(connection, effect)
}

function carryOut(connection: number, effect: MonitorEffect): void {
  if (effect.type === 'probe' && effect.via === 'udp') send(lane.sealProbe(connection, encodeProbePacket(effect.probe)))
}

function send(departure: Departure | undefined): void {
  if (departure) socket.send(departure.packet, departure.to.port, departure.to.host)
}

function answer(message: CrowdAnswer): void {
  process.send?.(message)
}

function begin(): void {
  pulse.beat(now())
  setInterval(() => pulse.beat(now()), PULSE_MS)
  setInterval(() => {
    for (const [connection, monitor] of monitors.entries()) if ((monitor.nextWake() ?? Infinity) <= now()) tell(connection, WAKE)
  }, LOOK_MS)
  setInterval(() => {
    for (const connection of monitors.keys()) tell(connection, { type: 'carried' })
  }, TRAFFIC_MS)
}

process.on('message', (order: CrowdOrder) => {
  switch (order.type) {
    case 'prepare':
      keys = Array.from({ length: order.links }, (_, connection) => ({ index: connection + 1, key: new Uint8Array(randomBytes(32)) }))
      return answer({ type: 'prepared', keys })
    case 'probe': {
      const to = { host: LOOPBACK, port: order.port }
      for (const [connection, remote] of order.keys.entries()) {
        lane.associate(connection, keys[connection] as DatagramKey, to)
        lane.openRemote(connection, remote)
        monitors.push(new LinkMonitor(now(), new SeededRandom(connection), { probes: true }))
        tell(connection, { type: 'datagrams', open: true })
      }
      return begin()
    }
  }
})
socket.bind(0, LOOPBACK, () => {
  socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
  answer({ type: 'ready' })
})
