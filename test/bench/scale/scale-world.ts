/**
 * A fleet in one simulated world, whole nodes on the map of measured round trips, which plays the trace of the bench of state:
 * vitals of every node each second, a change of a task at every site each second, a push of config to all now and then. Then a
 * region is cut off, a hub and a quarter of the sites, and both sides go on; what is told is when they are one again.
 *
 * Sessions are packed as the daemon packs them; seals are the simulator's, which cost next to nothing.
 */
import { LIMITS } from '@causeway/protocol'
import { type Fault, type Fleet, type FleetNode, type RttMatrix, type World, makeFleet, tiledPlanetlab } from '@causeway/simulator'
import { SessionPacker } from '../../../packages/daemon/src/session-codec.ts'
import { quantileOf, maxOf } from '../statistics.ts'
import { type Change, identityOf, makeTrace } from '../sync/trace.ts'

export interface ScaleShape {
  readonly seed: number
  readonly sites: number
  readonly nodes: number
  readonly hubs: number
  /** Of the trace, and of the cut. */
  readonly seconds: number
}

/** Of `seconds` of the trace, all well. `null`: nothing was measured. */
export interface ScaleFigures {
  /** Between a site and all hubs, each way, on average; without headers of IP and TCP. */
  readonly bytesUp: number
  readonly bytesDown: number
  /** Processor time of the process, which plays all nodes, and of the machine of one hub. */
  readonly worldCpuMs: number
  readonly hubCpuMs: number
  /** Turns of the machine of one hub, and all that happened in the world: they do not depend on who else uses the processor. */
  readonly hubTurns: number
  readonly happened: number
  readonly heapMegabytes: number
  /** From a write until a reader has it, each reader by itself. */
  readonly seenP50Ms: number | null
  readonly seenP99Ms: number | null
  readonly seenMaxMs: number | null
  /** Readers that had not seen a change, and nodes that a hub had heard nothing of for 7 s. */
  readonly unseen: number
  readonly silent: number
  /** What the cut kept from its way, and how long after it everybody had the newest of all; `null`: not within two minutes. */
  readonly dropped: number
  readonly convergedMs: number | null
}

const JOIN_MS = 20_000
const SETTLE_MS = 10_000
const CONVERGE_MS_MAX = 120_000
const LOOK_MS = 50
/** Values that hardly change are said after 4 s, and wait 2 s for company. */
const SILENT_MS = 7_000
const UPLINKS = 4
const REGION_SHARE = 4
/** Rows of the map that a place needs around it, since half of all rows are left free. */
const ROWS_PER_PLACE = 3
const MAP_ROWS = 490
const COLLECTIONS = { task: 'work', config: 'config' } as const
const EVERYBODY = 'global'

export function playScale(shape: ScaleShape): ScaleFigures {
  const played = new PlayedFleet(shape)
  const { world } = played.fleet
  const lengthMs = shape.seconds * 1_000
  const trace = makeTrace({ ...shape, seconds: 2 * shape.seconds })
  world.run(JOIN_MS)
  const before = trace.filter(({ atMs }) => atMs < 0)
  played.play(before.map((change, at) => ({ ...change, atMs: (at / before.length) * SETTLE_MS })))
  world.run(2 * SETTLE_MS)
  played.takeSeen()
  const steady = measured(played, () => {
    played.play(trace.filter(({ atMs }) => atMs >= 0 && atMs < lengthMs))
    world.run(lengthMs)
  })
  const silent = played.silent()
  world.run(SETTLE_MS)
  const seen = played.takeSeen()
  const cut = played.cutRegion()
  played.play(trace.filter(({ atMs }) => atMs >= lengthMs).map((change) => ({ ...change, atMs: change.atMs - lengthMs })))
  world.run(lengthMs)
  for (const fault of cut) fault.heal()
  const dropped = cut.reduce((sum, fault) => sum + fault.dropped, 0)
  return { ...steady, ...seen, silent, dropped, convergedMs: played.converge() }
}

type Steady = Pick<ScaleFigures, 'bytesUp' | 'bytesDown' | 'worldCpuMs' | 'hubCpuMs' | 'hubTurns' | 'happened' | 'heapMegabytes'>

function measured(played: PlayedFleet, run: () => void): Steady {
  const { fleet, hubCpuMs, hubTurns } = played
  const [bytes, happened, cpu] = [played.bytes(), fleet.world.happened, process.cpuUsage()]
  run()
  const { user, system } = process.cpuUsage(cpu)
  const [up, down] = played.bytes()
  globalThis.gc?.()
  return {
    bytesUp: (up - bytes[0]) / fleet.sites.size,
    bytesDown: (down - bytes[1]) / fleet.sites.size,
    worldCpuMs: (user + system) / 1_000,
    hubCpuMs: (played.hubCpuMs - hubCpuMs) / fleet.hubs.length,
    hubTurns: (played.hubTurns - hubTurns) / fleet.hubs.length,
    happened: fleet.world.happened - happened,
    heapMegabytes: process.memoryUsage().heapUsed / 1e6,
  }
}

type RecordChange = Change & { readonly kind: keyof typeof COLLECTIONS }

type Machine = ReturnType<World['node']>['machine']

/** A change on its way to its readers. */
interface Spread {
  readonly writtenAt: number
  left: number
}

/** What a reader should have. */
interface Held {
  readonly name: string
  readonly partition: string
  readonly change: RecordChange
}

class PlayedFleet {
  readonly fleet: Fleet
  readonly #nodes: number
  readonly #matrix: RttMatrix
  readonly #spreads = new Map<string, Spread>()
  /** Of each record, by partition and key: what was written last. */
  readonly #newest = new Map<string, RecordChange>()
  #seenMs: number[] = []
  #hubTurns = 0
  #hubCpuUs = 0

  constructor({ seed, sites, nodes, hubs }: ScaleShape) {
    this.#nodes = nodes
    this.#matrix = tiledPlanetlab(Math.ceil((ROWS_PER_PLACE * (sites + hubs)) / MAP_ROWS))
    this.fleet = makeFleet({
      ...{ seed, hubs, sites, nodesPerSite: nodes, uplinks: UPLINKS },
      matrix: this.#matrix,
      sessionCodec: () => new SessionPacker(LIMITS.messageBytesMax, () => this.#world.now),
    })
    for (const { name } of this.fleet.hubs) this.#count(this.#world.node(name).machine)
    this.#world.watch((_, effect) => {
      if (effect.type !== 'change') return
      const { record, collection } = effect
      const kind = collection === COLLECTIONS.task ? 'task' : 'config'
      const spread = this.#spreads.get(`${record.partition} ${identityOf(kind, undefined, record.key, record.value)}`)
      if (!spread) return
      spread.left -= 1
      this.#seenMs.push(this.#world.now - spread.writtenAt)
    })
  }

  get hubCpuMs(): number {
    return this.#hubCpuUs / 1_000
  }

  get hubTurns(): number {
    return this.#hubTurns
  }

  get #world(): World {
    return this.fleet.world
  }

  /** What hubs and sites have sent to each other so far: from the sites, and to them. */
  bytes(): readonly [number, number] {
    const { network } = this.#world
    let [up, down] = [0, 0]
    for (const hub of this.fleet.hubs) {
      const core = this.#world.node(hub.name).host
      for (const { name } of this.fleet.edges) {
        const edge = this.#world.node(name).host
        up += network.wire(edge, core).bytesCarried
        down += network.wire(core, edge).bytesCarried
      }
    }
    return [up, down]
  }

  /** From now on, each change at its time. */
  play(changes: readonly Change[]): void {
    for (const change of changes) this.#world.timeline.after(change.atMs, () => this.#write(change))
  }

  #write(change: Change): void {
    const { kind, site, node, key, value } = change
    const { edges, hubs, sites } = this.fleet
    const edge = site === undefined || node === undefined ? undefined : edges[site * this.#nodes + node]
    const writer = (edge ?? hubs[0])?.name ?? ''
    if (kind === 'vital') {
      // Those from before the trace are of no node that says so.
      if (edge) this.#world.request(writer, { type: 'vitals', values: value as Readonly<Record<string, number>> })
      return
    }
    const partition = this.#partition(site)
    this.#newest.set(`${partition} ${key}`, { ...change, kind })
    const readers = hubs.length + (site === undefined ? edges.length : edges.length / sites.size)
    this.#spreads.set(`${partition} ${identityOf(kind, undefined, key, value)}`, { writtenAt: this.#world.now, left: readers })
    const changes = [{ key, operation: { type: 'put', value } }] as const
    const request = this.#world.node(writer).nextRequest()
    this.#world.request(writer, { type: 'write', request, collection: COLLECTIONS[kind], partition, changes })
  }

  /** How long changes took to their readers since the start, and how many have not got there. */
  takeSeen(): Pick<ScaleFigures, 'seenP50Ms' | 'seenP99Ms' | 'seenMaxMs' | 'unseen'> {
    const [seenMs, spreads] = [this.#seenMs, [...this.#spreads.values()]]
    this.#seenMs = []
    this.#spreads.clear()
    return {
      seenP50Ms: quantileOf(seenMs, 0.5),
      seenP99Ms: quantileOf(seenMs, 0.99),
      seenMaxMs: maxOf(seenMs),
      unseen: spreads.reduce((sum, { left }) => sum + left, 0),
    }
  }

  /** Pairs of a hub and an edge node of which the hub knows no vitals, or old ones. */
  silent(): number {
    const { hubs, edges } = this.fleet
    return hubs.reduce((sum, { name }) => {
      const { machine, now } = this.#world.node(name)
      const heard = new Set(machine.vitals.views(now).flatMap(({ identity, ageMs }) => (ageMs <= SILENT_MS ? [identity.name] : [])))
      return sum + edges.filter((edge) => !heard.has(edge.name)).length
    }, 0)
  }

  /** The last hub and the sites nearest to it can speak to each other, and to nobody else. */
  cutRegion(): readonly Fault[] {
    const { hubs, edges } = this.fleet
    const capital = hubs.at(-1) as FleetNode
    const far = (edge: FleetNode): number => this.#matrix.rttMs(edge.row, capital.row) ?? Infinity
    const nearest = edges.toSorted((a, b) => far(a) - far(b) || a.site.localeCompare(b.site))
    const inside = new Set(nearest.slice(0, this.#nodes * Math.ceil(this.fleet.sites.size / REGION_SHARE)))
    const names = (nodes: readonly FleetNode[]): string[] => nodes.map(({ name }) => name)
    const [others, outside] = [hubs.filter((hub) => hub !== capital), edges.filter((edge) => !inside.has(edge))]
    // Sites have nothing to say to each other but over hubs.
    return [this.#world.cut(names([capital, ...inside]), names(others)), this.#world.cut(capital.name, names(outside))]
  }

  /** How long it takes until every reader has the newest of every record. */
  converge(): number | null {
    const { hubs, edges } = this.fleet
    const left: Held[] = [...this.#newest.values()].flatMap((change) => {
      const partition = this.#partition(change.site)
      const readers = [...hubs, ...edges.filter(({ site }) => change.site === undefined || site === partition)]
      return readers.map(({ name }) => ({ name, partition, change }))
    })
    const began = this.#world.now
    const converged = (): boolean => {
      for (let last = left.at(-1); last && this.#holds(last); last = left.at(-1)) left.pop()
      return left.length === 0
    }
    while (!converged() && this.#world.now - began < CONVERGE_MS_MAX) this.#world.run(LOOK_MS)
    return left.length === 0 ? this.#world.now - began : null
  }

  #holds({ name, partition, change: { kind, key, value } }: Held): boolean {
    const held = this.#world.node(name).machine.replica.get(COLLECTIONS[kind], partition, key)?.value
    return held !== undefined && identityOf(kind, undefined, key, held) === identityOf(kind, undefined, key, value)
  }

  #partition(site: number | undefined): string {
    return site === undefined ? EVERYBODY : (this.fleet.edges[site * this.#nodes]?.site ?? '')
  }

  /** Adds up the processor time of a machine's turns, without what the simulator does around them. */
  #count(machine: Machine): void {
    const handle = machine.handle.bind(machine)
    machine.handle = (now, input) => {
      const before = process.threadCpuUsage()
      const effects = handle(now, input)
      const { user, system } = process.threadCpuUsage(before)
      this.#hubCpuUs += user + system
      this.#hubTurns += 1
      return effects
    }
  }
}
