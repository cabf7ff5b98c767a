/**
 * One seed, one story: a fleet of random size, traffic and writes at random nodes, random faults on top; then
 * everything heals, settles, and is checked. The story is told by the seed alone, so a failing seed is a bug report.
 *
 * The two ends of the ping flow are spared crashes and being cut off from everybody: a channel may end if its process
 * dies or if no path works for a minute, so only spared ends must see every message.
 */
import { LIMITS, type Random, SeededRandom, instant } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { type SiteView, checkFaults, checkPings, checkSites, checkViolations, hasHit } from './checkers.ts'
import type { Fault, FaultKind } from './fault.ts'
import { type Fleet, type FleetOptions, makeFleet } from './fleet.ts'
import { FrameWatch } from './frame-watch.ts'
import { Observations } from './observations.ts'
import { shuffle } from './planetlab.ts'
import { StateTraffic } from './state-traffic.ts'
import type { World } from './world.ts'

export interface ScenarioOptions {
  readonly seed: number
  /** @default 1–4, by the seed */
  readonly hubs?: number
  /** @default 2–8, by the seed */
  readonly sites?: number
  /** @default 1–3, by the seed */
  readonly nodesPerSite?: number
  /** How long faults are ordered for, in virtual seconds. @default 30 */
  readonly seconds?: number
  readonly fleet?: Partial<FleetOptions>
}

export interface ScenarioReport {
  readonly seed: number
  readonly hubs: number
  readonly sites: number
  readonly nodes: number
  readonly faults: readonly { readonly what: string; readonly dropped: number }[]
  readonly writes: { readonly asked: number; readonly acknowledged: number }
  /** How often two nodes of different sites agreed to link directly, each counted by itself. */
  readonly directLinks: number
  readonly pings: { readonly sent: number; readonly answered: number; readonly longestGapMs: number }
  /** Empty if all held. */
  readonly objections: readonly string[]
  readonly virtualMs: number
  /** Events and turns. */
  readonly happened: number
  readonly trace: number
}

const WARM_UP_MS = 5_000
/** A direct link should have its share of the faults, and so should its end. */
const DIRECT = { directAfterMs: 10_000, directIdleMs: 20_000 }
/** Time to redial (up to 30 s apart), re-plan, and let held segments through after the last heal. */
const SETTLE_MS = 90_000
/** Faults of links that carry little may need some seconds to meet a packet. */
const HIT_MS_MAX = 60_000
/** How often a writer dies within milliseconds of writing: before, while, or after the write reaches the disk. */
const CRASH_AFTER_WRITE_RATIO = 0.15
const CRASH_AFTER_WRITE_MS_MAX = 10
const PING_INTERVAL_MS = 50
/** How wrong a clock can be. */
const SKEW_MS_MAX = 600_000

export function runScenario(options: ScenarioOptions): ScenarioReport {
  const random = new SeededRandom(options.seed)
  const between = (from: number, to: number): number => from + (random.uint32() % (to - from + 1))
  const sites = options.sites ?? between(2, 8)
  const fleet = makeFleet({
    seed: options.seed,
    hubs: options.hubs ?? between(1, 4),
    sites,
    sitesReachable: between(0, sites),
    nodesPerSite: options.nodesPerSite ?? between(1, 3),
    limits: { ...LIMITS, ...DIRECT },
    wide: { lossRatio: random.float() < 0.3 ? 0.02 : 0.001, reorderRatio: 0.005, duplicateRatio: 0.001 },
    ...options.fleet,
  })
  const { world } = fleet
  const observations = new Observations<NodeMachine>(world)
  const frames = new FrameWatch<NodeMachine>(world)
  const state = new StateTraffic(fleet, observations, world.fork())
  const objections: string[] = []
  const seen = { directLinks: 0 }
  world.watch((_node, effect) => {
    if (effect.type === 'event' && effect.name === 'direct-link-wanted') seen.directLinks++
  })
  const durationMs = (options.seconds ?? 30) * 1000
  try {
    world.run(WARM_UP_MS)
    const [from, to] = spared(fleet, random)
    observations.ping({ from, to, count: Math.floor(durationMs / PING_INTERVAL_MS), intervalMs: PING_INTERVAL_MS, bytes: 200 })
    const storm = new FaultStorm(fleet, random, [from, to])
    for (const endsAt = world.now + durationMs; world.now < endsAt;) {
      storm.next()
      const writer = state.write()
      if (writer !== undefined && random.float() < CRASH_AFTER_WRITE_RATIO) storm.crashSoon(writer)
      world.run(50 + random.float() * 1500)
    }
    // A fault that has not hit anything yet gets its chance before it is healed.
    world.runUntil(() => world.faults.every(hasHit), HIT_MS_MAX)
    world.healAll()
    objections.push(...settle(world, () => [...checkPings(observations.pings), ...state.check(), ...checkSites(siteViews(fleet))]))
    objections.push(...checkViolations(observations.violations), ...checkFaults(world.faults), ...frames.objections())
  } catch (error) {
    // A throw out of a machine is an invariant that does not hold: the gravest objection there is.
    objections.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  }
  return { ...report(options.seed, fleet, observations, objections), ...seen }
}

/** Lets time pass until nobody objects any more; the objections that remain when patience ends. */
function settle(world: World<NodeMachine>, check: () => string[]): string[] {
  let objections = check()
  for (const until = world.now + SETTLE_MS; objections.length > 0 && world.now < until; objections = check()) world.run(1000)
  return objections
}

function siteViews({ world, edges }: Fleet): SiteView[] {
  return edges.map(({ name, site }) => {
    // The gateway and whether it is cut off do not depend on the hour.
    const { gateway, cutOff } = world.node(name).machine.status(instant(world.now))
    return { node: name, site, gateway, cutOff }
  })
}

/** Two nodes of different sites, the ends of the ping flow. */
function spared(fleet: Fleet, random: Random): [string, string] {
  const sites = shuffle([...fleet.sites.values()], random)
  return [sites[0]?.[0] ?? '', sites[1]?.[0] ?? '']
}

function report(
  seed: number,
  fleet: Fleet,
  observations: Observations<NodeMachine>,
  objections: readonly string[],
): Omit<ScenarioReport, 'directLinks'> {
  const { world } = fleet
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
  return {
    seed,
    hubs: fleet.hubs.length,
    sites: fleet.sites.size,
    nodes: fleet.hubs.length + fleet.edges.length,
    faults: world.faults.map(({ what, dropped }) => ({ what, dropped })),
    writes: { asked: observations.writes.length, acknowledged: observations.writes.filter((write) => write.acknowledged).length },
    pings: {
      sent: sum(observations.pings.map(({ count }) => count)),
      answered: sum(observations.pings.map(({ replies }) => replies.length)),
      longestGapMs: Math.round(Math.max(0, ...observations.pings.map((flow) => Observations.longestGapMs(flow)))),
    },
    objections,
    virtualMs: world.now,
    happened: world.happened,
    trace: world.trace,
  }
}

type Pair = readonly [string, string]

const OF_LINKS: ReadonlySet<FaultKind> = new Set(['cut', 'loss', 'delay'])

/** Orders faults one after the other, and heals each after a while. */
class FaultStorm {
  readonly #fleet: Fleet
  readonly #random: Random
  readonly #spared: readonly string[]
  readonly #names: readonly string[]
  /** What a fault of a link is for. */
  readonly #pairs = new Map<Fault, Pair>()

  constructor(fleet: Fleet, random: Random, sparedNodes: readonly string[]) {
    this.#fleet = fleet
    this.#random = random
    this.#spared = sparedNodes
    this.#names = [...fleet.hubs, ...fleet.edges].map(({ name }) => name)
  }

  next(): void {
    const pair = this.#linkedPair()
    const fault = this.#order(pair)
    if (!fault || fault.kind === 'stall') return
    if (pair && OF_LINKS.has(fault.kind)) this.#pairs.set(fault, pair)
    this.#healLater(fault, 1000 + this.#random.float() * 6000)
  }

  crashSoon(name: string): void {
    const { world } = this.#fleet
    world.timeline.after(this.#random.float() * CRASH_AFTER_WRITE_MS_MAX, () => {
      if (this.#mayCrash(name)) this.#healLater(world.crash(name), 1000 + this.#random.float() * 6000)
    })
  }

  /** Not before it has hit something, unless the link that it was for was given up before. */
  #healLater(fault: Fault, ms: number): void {
    this.#fleet.world.timeline.after(ms, () => {
      const pair = this.#pairs.get(fault)
      if (fault.dropped === 0 && pair && !this.#areLinked(pair)) fault.moot = true
      if (fault.dropped > 0 || fault.moot) fault.heal()
      else this.#healLater(fault, 500)
    })
  }

  #order(pair: Pair | undefined): Fault | undefined {
    const { world, hubs } = this.#fleet
    const oneWay = this.#random.float() < 0.5
    switch (this.#random.uint32() % 8) {
      case 0:
      case 1:
        return pair && this.#mayCut(pair) ? world.cut(...pair, { oneWay }) : undefined
      case 2: {
        const victim = this.#pick(this.#names.filter((name) => this.#mayCrash(name)))
        // The last hub that runs is spared, or the flow would have no path.
        const runningHubs = hubs.filter(({ name }) => world.node(name).alive).length
        if (victim === undefined || (victim.startsWith('core') && runningHubs < 2)) return undefined
        return world.crash(victim)
      }
      case 3: {
        const victim = this.#pick(this.#names.filter((name) => world.node(name).alive))
        const whole = this.#random.float() < 0.5
        return victim === undefined ? undefined : world.stall(victim, 50 + this.#random.float() * 2000, { whole })
      }
      case 4:
        return pair && world.setLoss(...pair, 0.05 + this.#random.float() * 0.3, { oneWay })
      case 5:
        return pair && world.slow(...pair, 20 + this.#random.float() * 200, { oneWay })
      case 6: {
        // All of a site at once: nobody there remembers what no disk of it has.
        const site = this.#pick([...this.#fleet.sites.keys()])
        const nodes = (site === undefined ? undefined : this.#fleet.sites.get(site)) ?? []
        return nodes.length > 0 && nodes.every((name) => this.#mayCrash(name)) ? world.powerCut(nodes) : undefined
      }
      default: {
        const victim = this.#pick(this.#names)
        return victim === undefined ? undefined : world.skew(victim, (this.#random.float() - 0.5) * 2 * SKEW_MS_MAX)
      }
    }
  }

  #mayCrash(name: string): boolean {
    const node = this.#fleet.world.node(name)
    return node.alive && !node.stalled && !this.#spared.includes(name)
  }

  /** With one hub its links to the ends of the flow are all there is. */
  #mayCut(pair: Pair): boolean {
    return this.#fleet.hubs.length > 1 || !pair.some((name) => this.#spared.includes(name))
  }

  /** Two nodes between which there is a link, so that a fault there hits something. */
  #linkedPair(): Pair | undefined {
    const { world } = this.#fleet
    const a = this.#pick(this.#names.filter((name) => world.node(name).alive))
    const b = a === undefined ? undefined : this.#pick(this.#linkedWith(a))
    return a === undefined || b === undefined ? undefined : [a, b]
  }

  #areLinked([a, b]: Pair): boolean {
    return this.#fleet.world.node(a).alive && this.#linkedWith(a).includes(b)
  }

  #linkedWith(name: string): string[] {
    const node = this.#fleet.world.node(name)
    const up = node.machine.links(node.now).filter((link) => link.state === 'up')
    return up.map((link) => link.to)
  }

  #pick(names: readonly string[]): string | undefined {
    return names.length === 0 ? undefined : names[this.#random.uint32() % names.length]
  }
}
