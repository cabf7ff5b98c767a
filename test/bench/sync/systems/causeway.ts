/**
 * Causeway: real daemons, a hub in the core, and in each site a gateway with the link to it and the other nodes behind it.
 * The programs are here, and speak to the daemons' local APIs.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Causeway } from '@causeway/client'
import { Fleet } from '../../../netlab/fleet.ts'
import type { Lab } from '../../../netlab/lab.ts'
import { type Access, type Participant, Player } from '../participant.ts'
import { CORE, type FleetShape, type StartedSystem, type SyncSystem, siteHost } from '../system.ts'
import { type Change, type Fields, type Kind, identityOf } from '../trace.ts'

const UP_MS_MAX = 60_000
/** Of the stream lane; the control lane, with heartbeats and adverts, has another. */
const STREAM_PORT = 7401
const COLLECTIONS = { task: 'tasks', config: 'config' } as const
const EVERYBODY = 'global'
/** Only those of the trace, and every change of them. */
const VITALS = { system: false, thresholds: { cpu: 0, mem: 0, gpu: 0, disk: 0, bw: 0 } }
/** Vitals come about once a second; between two looks a node has at most one new value. */
const LOOK_MS = 200

export const CAUSEWAY: SyncSystem = {
  name: 'causeway',
  mode: 'a hub, and sites of real nodes behind one gateway each',
  statePort: STREAM_PORT,
  links: ({ sites, nodes }) =>
    Array.from({ length: sites }, (_, site) =>
      Array.from({ length: nodes - 1 }, (_, at) => `link ${siteHost(site)} ${nodeHost(site, at + 1)} veth`),
    ).flat(),
  start: startCauseway,
}

/** The first node of a site is its host; the others have hosts of their own behind it. */
function nodeHost(site: number, node: number): string {
  return node === 0 ? siteHost(site) : `${siteHost(site)}n${node}`
}

async function startCauseway(lab: Lab, _directory: string, { sites, nodes }: FleetShape): Promise<StartedSystem> {
  const fleet = new Fleet(lab, (host) => /^s\d+/.exec(host)?.[0] ?? host, { vitals: VITALS })
  await fleet.prepare()
  await fleet.launch(CORE)
  const participants: Participant[] = [open(fleet.at(CORE), undefined, undefined)]
  for (let site = 0; site < sites; site++) {
    for (let node = 0; node < nodes; node++) await fleet.launch(nodeHost(site, node))
    await fleet.linkIs(siteHost(site), CORE, 'up', UP_MS_MAX)
    participants.push(...Array.from({ length: nodes }, (_, node) => open(fleet.at(nodeHost(site, node)), site, node)))
  }
  const stop = async (): Promise<void> => {
    await Promise.all(participants.map((one) => one.stop()))
    await fleet.close()
  }
  return { participants, stop }
}

function open(causeway: Causeway, site: number | undefined, node: number | undefined): Participant {
  const player = new Player(({ kind, site: whose, key, value }) => identityOf(kind, whose, key, value))
  player.use(accessTo(causeway))
  const end = new AbortController()
  const watching = (['task', 'config'] as const).map((kind) => watch(causeway, kind, player, end.signal))
  if (site === undefined) watching.push(watchVitals(causeway, player, end.signal))
  return {
    site,
    node,
    prepare: (changes) => player.prepare(changes),
    play: (changes, startMs) => player.play(changes, startMs),
    take: () => Promise.resolve(player.take()),
    stop: async () => {
      end.abort()
      await Promise.allSettled(watching)
    },
  }
}

function accessTo(causeway: Causeway): Access {
  return {
    write: ({ kind, site, node, key, value }: Change) => {
      if (kind !== 'vital')
        return causeway.collection(COLLECTIONS[kind]).put(key, value, { partition: site === undefined ? EVERYBODY : siteHost(site) })
      return node === undefined ? Promise.resolve() : causeway.vitals(value as Readonly<Record<string, number>>)
    },
  }
}

async function watch(causeway: Causeway, kind: 'task' | 'config', player: Player, signal: AbortSignal): Promise<void> {
  for await (const event of causeway.collection<Fields>(COLLECTIONS[kind]).watch({ signal })) {
    if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue
    const { partition, key, value } = event.record
    player.saw(identityOf(kind as Kind, partition === EVERYBODY ? undefined : Number(partition.slice(1)), key, value))
  }
}

async function watchVitals(causeway: Causeway, player: Player, signal: AbortSignal): Promise<void> {
  const shown = new Map<string, string>()
  while (!signal.aborted) {
    for (const { node, vitals } of (await causeway.nodes()).items) {
      const value = JSON.stringify(vitals)
      if (vitals !== null && shown.get(node) !== value) player.sawVital()
      shown.set(node, value)
    }
    await pause(LOOK_MS)
  }
}
