/**
 * A process that reflects for many links as a hub's does: the daemon's own datagram lane, which answers, and for each
 * link the monitor that is told. It has no mesh and no connections. Argument: with or without the monitors.
 */
import { setInterval } from 'node:timers'
import { SeededRandom, WAKE, instant } from '@causeway/protocol'
import { Datagrams } from '../../../packages/daemon/src/datagrams.ts'
import { PULSE_MS, Pulse } from '../../../packages/daemon/src/pulse.ts'
import { LinkMonitor, type MonitorEffect, type MonitorInput } from '../../../packages/probe/src/index.ts'
import { type HubAnswer, type HubOrder, LOOPBACK } from './reflecting-talk.ts'

/** Deadlines of links that are probed in time are never reached: looking for them rarely is enough. */
const LOOK_MS = 50

const monitored = process.argv[2] === 'monitored'
const monitors: LinkMonitor[] = []
let probes = 0

const now = (): ReturnType<typeof instant> => instant(performance.now())
const pulse = new Pulse()
pulse.beat(now())
setInterval(() => pulse.beat(now()), PULSE_MS)

const datagrams = await Datagrams.open({
  listen: { host: LOOPBACK, port: 0 },
  pulse,
  onLost: (cause) => {
    throw cause
  },
  onInput: (input) => {
    if (input.type !== 'probed') return
    const { packet, connection, at } = input
    if (packet.type === 'probe') probes++
    if (!monitored) return
    tell(
      connection,
      packet.type === 'probe' ? { type: 'probed', via: 'udp', at, probe: packet } : { type: 'reply', via: 'udp', at, reply: packet },
    )
  },
})

function tell(connection: number, input: MonitorInput): void {
  const monitor = monitors[connection]
  if (monitor) for (const effect of monitor.handle(now(), input)) carryOut(connection, effect)
}

function carryOut(connection: number, effect: MonitorEffect): void {
  if (effect.type === 'probe' && effect.via === 'udp') datagrams.sendProbe(connection, effect.probe)
}

function look(): void {
  for (const [connection, monitor] of monitors.entries()) if ((monitor.nextWake() ?? Infinity) <= now()) tell(connection, WAKE)
}

function answer(message: HubAnswer): void {
  process.send?.(message)
}

process.on('message', (order: HubOrder) => {
  switch (order.type) {
    case 'associate': {
      const keys = order.remotes.map((remote, connection) => {
        const key = datagrams.associate(connection, undefined)
        datagrams.openRemote(connection, remote)
        if (monitored) monitors.push(new LinkMonitor(now(), new SeededRandom(connection), { probes: false }))
        return key
      })
      for (const connection of monitors.keys()) tell(connection, { type: 'datagrams', open: true })
      if (monitored) setInterval(look, LOOK_MS)
      return answer({ type: 'associated', port: datagrams.port, keys: keys.flatMap((key) => key ?? []) })
    }
    case 'count': {
      const { user, system } = process.cpuUsage()
      const alive = monitors.filter(({ state }) => state === 'up' || state === 'degraded').length
      return answer({ type: 'counted', at: performance.now(), cpuMs: (user + system) / 1000, probes, alive })
    }
  }
})
answer({ type: 'ready' })
