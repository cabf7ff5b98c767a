/**
 * One seed, one story of strict writes: programs at edges and hubs add to one list, each by a strict compare-and-set against what
 * it reads, while sites are cut off, hubs crash, clocks jump and the engine cannot be reached. In the end the list holds every
 * addition that was granted, once and in some order, and nothing that was refused.
 */
import { type Random, SeededRandom } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { checkViolations } from './checkers.ts'
import type { Fault } from './fault.ts'
import { type Fleet, makeFleet } from './fleet.ts'
import { Observations } from './observations.ts'
import { SimulatedLeases } from './simulated-leases.ts'

export interface StrictScenarioOptions {
  readonly seed: number
  /** @default by the seed */
  readonly engine?: 'embedded' | 'external'
  /** How long faults are ordered for, in virtual seconds. @default 60 */
  readonly seconds?: number
}

export interface StrictScenarioReport {
  readonly seed: number
  readonly engine: string
  readonly attempts: number
  readonly granted: number
  readonly refused: number
  /** Nobody knows what came of them. */
  readonly unknown: number
  readonly faults: readonly string[]
  readonly happened: number
  /** Empty if all held. */
  readonly objections: readonly string[]
}

const PLACE = ['counters', 'all', 'list'] as const
const WARM_UP_MS = 8_000
/** Redials are up to 30 s apart. */
const SETTLE_MS = 120_000

export function runStrictScenario(options: StrictScenarioOptions): StrictScenarioReport {
  const random = new SeededRandom(options.seed)
  const between = (from: number, to: number): number => from + (random.uint32() % (to - from + 1))
  const engine = options.engine ?? (random.float() < 0.5 ? 'embedded' : 'external')
  const fleet = makeFleet({
    seed: options.seed,
    hubs: between(engine === 'external' ? 2 : 1, 3),
    sites: between(2, 3),
    nodesPerSite: between(1, 2),
    wide: { lossRatio: 0.001 },
    interest: ['counters/**'],
    write: ['counters/**'],
    allocator: engine === 'embedded' ? { engine, hub: 'core-1' } : { engine },
  })
  const { world } = fleet
  const observations = new Observations<NodeMachine>(world)
  const leases = new SimulatedLeases(world, world.fork())
  const adders = new Adders(fleet, world.fork())
  const objections: string[] = []
  try {
    world.run(WARM_UP_MS)
    adders.adding = true
    for (const endsAt = world.now + (options.seconds ?? 60) * 1000; world.now < endsAt;) {
      if (random.float() < 0.4) orderFault(fleet, random, leases)
      world.run(random.float() * 3_000)
    }
    world.healAll()
    leases.unreachable.clear()
    const before = adders.granted.size
    if (!world.runUntil(() => adders.granted.size > before, SETTLE_MS)) objections.push('nothing is granted after the heal')
    adders.adding = false
    world.run(10_000)
    let found = adders.check()
    for (const until = world.now + SETTLE_MS; found.length > 0 && world.now < until; found = adders.check()) world.run(1_000)
    objections.push(...found, ...checkViolations(observations.violations))
  } catch (error) {
    objections.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const { attempts, granted, refused } = adders
  return {
    ...{ seed: options.seed, engine, attempts, granted: granted.size, refused: refused.size, unknown: adders.unknown },
    ...{ faults: world.faults.map(({ what }) => what), happened: world.happened, objections },
  }
}

function orderFault({ world, hubs, edges, sites }: Fleet, random: Random, leases: SimulatedLeases<NodeMachine>): void {
  const pick = <Item>(items: readonly Item[]): Item => items[random.uint32() % items.length] as Item
  const hubNames = hubs.map(({ name }) => name)
  const [hub, edge, site] = [pick(hubNames), pick(edges).name, pick([...sites.values()])]
  const runs = (name: string): boolean => world.node(name).alive && !world.node(name).stalled
  const order = (): Fault | undefined => {
    switch (random.uint32() % 9) {
      case 0:
        return world.cut(site, hubNames)
      case 1:
        return world.cut(site, hub, { oneWay: random.float() < 0.3 })
      case 2:
        return runs(hub) ? world.crash(hub) : undefined
      case 3:
        return runs(hub) ? world.powerCut(hub) : undefined
      case 4:
        return runs(edge) ? world.crash(edge) : undefined
      case 5:
        leases.unreachable.add(hub)
        world.timeline.after(500 + random.float() * 15_000, () => leases.unreachable.delete(hub))
        return undefined
      case 6:
        return runs(hub) ? world.skew(hub, (random.float() - 0.5) * 60_000) : undefined
      case 7: {
        if (runs(hub)) world.stall(hub, 500 + random.float() * 12_000, { whole: random.float() < 0.7 })
        return undefined
      }
      default: {
        const others = hubNames.filter((name) => name !== hub)
        return others.length > 0 ? world.cut(hub, others) : undefined
      }
    }
  }
  const fault = order()
  if (fault && fault.kind !== 'skew') world.timeline.after(500 + random.float() * 20_000, () => fault.heal())
}

/** A program on every node: reads the list, adds to it, waits for the answer, and does it again. */
class Adders {
  readonly granted: Set<string> = new Set()
  readonly refused: Set<string> = new Set()
  attempts = 0
  adding = false
  readonly #fleet: Fleet
  readonly #random: Random
  readonly #asked = new Map<string, string>()

  constructor(fleet: Fleet, random: Random) {
    this.#fleet = fleet
    this.#random = random
    for (const { name } of [...fleet.edges, ...fleet.hubs]) this.#next(name)
    fleet.world.watch((node, effect) => {
      if (effect.type !== 'written') return
      const what = this.#asked.get(`${node.name} ${node.incarnation} ${effect.request}`)
      if (what === undefined) return
      if (effect.result.ok) this.granted.add(what)
      else if (effect.result.code !== 'unreachable' || effect.result.message.includes('nothing was written')) this.refused.add(what)
    })
  }

  get unknown(): number {
    return this.attempts - this.granted.size - this.refused.size
  }

  #next(name: string): void {
    this.#fleet.world.timeline.after(20 + this.#random.float() * 1_500, () => {
      if (this.adding) this.#add(name)
      this.#next(name)
    })
  }

  #add(name: string): void {
    const { world } = this.#fleet
    const node = world.node(name)
    if (!node.alive) return
    const record = node.machine.replica.get(...PLACE)
    const what = `${name}-${this.attempts}`
    const value = [...((record?.value as string[] | undefined) ?? []), what]
    const operation = { type: record ? 'put' : 'create', value } as const
    const change = { key: PLACE[2], operation, ...(record && { revision: record.revision }) }
    const request = node.nextRequest()
    const write = { type: 'write', request, collection: PLACE[0], partition: PLACE[1], changes: [change], strict: true } as const
    if (!world.request(name, write)) return
    this.attempts++
    this.#asked.set(`${name} ${node.incarnation} ${request}`, what)
  }

  check(): string[] {
    const { world, hubs, edges } = this.#fleet
    const objections: string[] = []
    for (const { name } of [...hubs, ...edges]) {
      const list = (world.node(name).machine.replica.get(...PLACE)?.value ?? []) as string[]
      const there = new Set(list)
      if (there.size !== list.length) objections.push(`${name}: ${list.length - there.size} additions are there twice`)
      const missing = [...this.granted].filter((what) => !there.has(what))
      if (missing.length > 0) objections.push(`${name}: granted, and not there: ${missing.slice(0, 5).join(', ')} (${missing.length})`)
      const wrong = list.filter((what) => this.refused.has(what))
      if (wrong.length > 0) objections.push(`${name}: refused, and there: ${wrong.slice(0, 5).join(', ')}`)
    }
    return objections
  }
}
