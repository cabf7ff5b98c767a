/** Who carries bulk from a to b along a line of hosts, and at what price. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../../e2e/eventually.ts'
import { Fleet } from '../../netlab/fleet.ts'
import type { Lab } from '../../netlab/lab.ts'
import { startNats } from '../failover/carriers/nats.ts'
import { startYggdrasil } from '../failover/carriers/yggdrasil.ts'
import { FLOWS, type CausewaySpec, type MediumSpec, portOf } from '../flow/medium.ts'
import { endsOf, stagesOf } from './line.ts'

export interface Hauler {
  readonly name: string
  readonly what: string
  readonly programs: Readonly<Record<string, string>>
  readonly relays: readonly number[]
  /** Of its messages, largest first. */
  readonly sizes: readonly number[]
  start(lab: Lab, directory: string): Promise<Haul>
}

export interface Haul {
  readonly a: MediumSpec
  readonly b: MediumSpec
  /** Once both ends are there. */
  ready?(): Promise<void>
  stop?(): Promise<void>
}

const RELAY = fileURLToPath(new URL('./tcp-relay.ts', import.meta.url))
/** A relay listens by then. */
const RELAY_MS = 700
const READY_MS_MAX = 60_000
const BULK = 65_536
const SMALL = 200

export const TCP: Hauler = {
  name: 'tcp',
  what: 'one TCP connection, relayed by node:net, not encrypted',
  programs: {},
  relays: [0, 1, 2],
  sizes: [BULK, SMALL],
  start: (lab, directory) =>
    relayed(lab, (hub, at, next) => {
      lab.spawn(hub, [process.execPath, RELAY, at, next, ...FLOWS.map((flow) => String(portOf(flow)))], join(directory, `${hub}.log`))
    }),
}

export const SOCAT: Hauler = {
  name: 'socat',
  what: 'one TCP connection, relayed by socat, not encrypted',
  programs: { socat: 'socat' },
  relays: [1, 2],
  sizes: [BULK, SMALL],
  start: (lab, directory) =>
    relayed(lab, (hub, at, next) => {
      for (const port of FLOWS.map(portOf)) {
        const words = ['-b', '131072', `TCP-LISTEN:${port},bind=${at},fork,reuseaddr,nodelay`, `TCP:${next}:${port},nodelay`]
        lab.spawn(hub, ['socat', ...words], join(directory, `${hub}.log`))
      }
    }),
}

async function relayed(lab: Lab, relay: (hub: string, at: string, next: string) => void): Promise<Haul> {
  for (const { hub, at, next } of stagesOf(lab)) relay(hub, at, next)
  await pause(RELAY_MS)
  const { dial, listen } = endsOf(lab)
  return { a: { type: 'tcp', side: 'a', host: dial }, b: { type: 'tcp', side: 'b', host: listen } }
}

export const LIBP2P: Hauler = {
  name: 'libp2p',
  what: 'a bare js-libp2p stream, Noise and Yamux',
  programs: {},
  relays: [0],
  sizes: [BULK, SMALL],
  start: (lab) => {
    const { dial, listen } = endsOf(lab)
    return Promise.resolve({ a: { type: 'libp2p', side: 'a', host: dial }, b: { type: 'libp2p', side: 'b', host: listen } })
  },
}

export const YGGDRASIL: Hauler = {
  name: 'yggdrasil',
  what: 'one TCP connection over yggdrasil, encrypted end to end',
  programs: { yggdrasil: 'yggdrasil' },
  relays: [0, 1, 2],
  sizes: [BULK, SMALL],
  start: async (lab, directory) => {
    const { addressOf } = await startYggdrasil(lab, directory)
    const host = addressOf('b')
    return { a: { type: 'tcp', side: 'a', host }, b: { type: 'tcp', side: 'b', host } }
  },
}

export const NATS: Hauler = {
  name: 'nats',
  what: 'NATS leaf servers and hubs, not encrypted',
  programs: { 'nats-server': 'nats-server' },
  relays: [1, 2],
  sizes: [BULK, 1024, SMALL],
  start: startNats,
}

export const CAUSEWAY: Hauler = {
  name: 'causeway',
  what: 'a channel, encrypted end to end; at either end the daemon in the program',
  programs: {},
  relays: [0, 1, 2],
  sizes: [BULK, 1024, SMALL],
  start: (lab) => startCauseway(lab, 'ordered'),
}

/** `firstLinkRttMs`: the latest round trip of the link between `a` and the first hub; `null` if there is none. */
export async function startCauseway(
  lab: Lab,
  frameClass: CausewaySpec['class'],
): Promise<Haul & { readonly firstLinkRttMs: () => Promise<number | null> }> {
  const hubs = lab.hosts.filter((host) => host.startsWith('h'))
  // Without a hub the ends must be of one site to find each other.
  const fleet = new Fleet(lab, (host) => (hubs.length === 0 ? 'site' : host))
  await fleet.prepare()
  await Promise.all(hubs.map((hub) => fleet.launch(hub)))
  const spec = (side: 'a' | 'b', peer: string): { type: 'causeway' } & CausewaySpec => ({
    type: 'causeway',
    side,
    config: fleet.configPath(side),
    peer,
    class: frameClass,
  })
  return {
    a: spec('a', 'b'),
    b: spec('b', 'a'),
    ready: async () => {
      const pairs = [
        ['a', 'b'],
        ['b', 'a'],
      ] as const
      for (const [from, to] of pairs) {
        await eventually(`${from} knows a path to ${to}`, async () => (await fleet.activePath(from, to)).state === 'up', READY_MS_MAX)
      }
    },
    stop: () => fleet.close(),
    firstLinkRttMs: async () => (await fleet.link('a', 'h1'))?.rttMs.last ?? null,
  }
}
