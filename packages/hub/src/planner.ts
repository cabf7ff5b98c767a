/**
 * Answers which way: keeps the plan of every node that asked, and sends it again when it has changed.
 *
 *  1. A subscriber is told at once, and then only if what it was told last no longer serves: a route is gone, costs notably
 *     more or less, has begun or ceased to lose; or there are notably better ones, more of them, or some that share less.
 *     (It orders them by what it measures itself.) Among routes that cost about the same, noise chooses anew each second.
 *     Of mere costs it is told at most every `COSTS_MS`: on busy machines they move all the time.
 *  2. A subscriber that is no longer linked is forgotten: it asks the next hub.
 *  3. What was told and has lost a link, or begun to lose packets, is computed anew at once, as is what had no path and may
 *     have one now. Whatever else has changed waits until all plans were looked at `LOOK_MS` ago.
 */
import { type Instant, LIMITS, type NodeId, type NodeName, type PlanMessage, type PlannedPath, after, instant } from '@causeway/protocol'
import { type GraphPath, type LinkState, costMoved } from '@causeway/mesh'

/** Best path and up to three more: with four uplinks any three hubs may die. */
export const PATHS_MAX = 4
/** At most three hubs on a path that a plan names, and a gateway; the rest of the limit is for patches on the way. */
const HOPS_MAX = 4
/** A path is left for one that is better by 10 ms: what is less than that decides nothing. */
const MOVED_MS = 10
const COSTS_MS = 5_000
/** In a large network some cost moves several times a second, and all sites of a region may return within one. */
const LOOK_MS = 20
/** Bound on what one other node may ask for. */
const DESTINATIONS_MAX = 4096

interface Told {
  readonly at: Instant
  readonly paths: readonly PlannedPath[]
}

/** One plan that somebody asked for. */
interface Asked {
  told: Told
  /** What there is to tell, by the link state of that version. */
  version: number
  paths: readonly PlannedPath[]
  moved: 'none' | 'costs' | 'routes'
}

export class Planner {
  /** Some costs have moved that are not told yet: ask again soon. */
  waits = false
  /** When plans that have not been looked at since the last change shall be, if there are any. */
  lookAt: Instant | undefined
  #lookedAt: Instant = instant(Number.NEGATIVE_INFINITY)
  readonly #linkState: LinkState
  readonly #self: NodeId
  /** Subscriber → destination → what it was told last. */
  readonly #asked = new Map<NodeId, Map<NodeId, Asked>>()

  constructor(linkState: LinkState, self: NodeId) {
    this.#linkState = linkState
    this.#self = self
  }

  /** The plan, and from now on news of it; `undefined` if this node has asked for too much. */
  subscribe(now: Instant, from: NodeId, to: NodeId): PlanMessage | undefined {
    const destinations = this.#asked.get(from) ?? new Map<NodeId, Asked>()
    if (from !== this.#self && destinations.size >= DESTINATIONS_MAX && !destinations.has(to)) return undefined
    const paths = this.plan(from, to)
    destinations.set(to, { told: { at: now, paths }, version: this.#linkState.version, paths, moved: 'none' })
    this.#asked.set(from, destinations)
    return this.#message(to, paths)
  }

  cancel(from: NodeId, to: NodeId): void {
    this.#asked.get(from)?.delete(to)
  }

  forget(from: NodeId): void {
    this.#asked.delete(from)
  }

  /** The plans that differ from what their subscribers know. To be asked after every change of the link state, and at `lookAt`. */
  takeNews(now: Instant): { readonly subscriber: NodeId; readonly plan: PlanMessage }[] {
    const news: { subscriber: NodeId; plan: PlanMessage }[] = []
    const { version } = this.#linkState
    const all = now >= after(this.#lookedAt, LOOK_MS)
    this.waits = false
    this.lookAt = undefined
    for (const [subscriber, destinations] of this.#asked) {
      for (const [to, asked] of destinations) {
        if (asked.version !== version) {
          if (all) this.#lookedAt = now
          if (all || !this.#stands(subscriber, to, asked.told.paths)) this.#look(subscriber, to, asked)
          else {
            this.lookAt = after(this.#lookedAt, LOOK_MS)
            continue
          }
        }
        const { told, moved, paths } = asked
        if (moved === 'none') continue
        if (moved === 'costs' && now < after(told.at, COSTS_MS)) {
          this.waits = true
          continue
        }
        asked.told = { at: now, paths }
        asked.moved = 'none'
        news.push({ subscriber, plan: this.#message(to, paths) })
      }
    }
    return news
  }

  /** Invariant 3. */
  #stands(from: NodeId, to: NodeId, told: readonly PlannedPath[]): boolean {
    if (told.length === 0) return !(this.#linkState.sees(from) && this.#linkState.sees(to))
    return told.every(({ route, impaired }) => {
      return this.#costOf(from, route) !== undefined && (impaired || !this.#linkState.impaired(from, route))
    })
  }

  /** The link state is another one. */
  #look(from: NodeId, to: NodeId, asked: Asked): void {
    asked.version = this.#linkState.version
    asked.paths = this.plan(from, to)
    asked.moved = this.#difference({ from, to }, asked.told.paths, asked.paths)
  }

  plan(from: NodeId, to: NodeId): PlannedPath[] {
    return this.#linkState.paths(from, to, PATHS_MAX, hopsMax(this.#linkState, to)).map((path) => this.#planned(from, path))
  }

  /** Tenths of milliseconds: finer differences are noise, not news. */
  #planned(from: NodeId, { route, costMs }: GraphPath): PlannedPath {
    return { route, costMs: Math.round(costMs * 10) / 10, impaired: this.#linkState.impaired(from, route) }
  }

  /** Invariant 1. */
  #difference(
    { from, to }: { readonly from: NodeId; readonly to: NodeId },
    told: readonly PlannedPath[],
    now: readonly PlannedPath[],
  ): 'none' | 'costs' | 'routes' {
    if (told.length !== now.length || this.#faults(from, to, told) > this.#faults(from, to, now)) return 'routes'
    let moved = false
    const costs: number[] = []
    for (const { route, costMs, impaired } of told) {
      const presentMs = this.#costOf(from, route)
      if (presentMs === undefined || this.#linkState.impaired(from, route) !== impaired) return 'routes'
      moved ||= costMoved(costMs, presentMs, MOVED_MS)
      costs.push(presentMs)
    }
    costs.sort((a, b) => a - b)
    moved ||= now.some(({ costMs }, rank) => costMoved(costMs, Math.max(costMs, costs[rank] ?? 0), MOVED_MS))
    return moved ? 'costs' : 'none'
  }

  /** `undefined` if a step of it is no more. */
  #costOf(from: NodeId, route: readonly NodeId[]): number | undefined {
    let sumMs = 0
    for (const [index, to] of route.entries()) {
      const costMs = this.#linkState.cost(route[index - 1] ?? from, to)
      if (costMs === undefined) return undefined
      sumMs += costMs
    }
    return sumMs
  }

  /** How many relays drain, or stand where one of an earlier path stands. */
  #faults(from: NodeId, to: NodeId, paths: readonly PlannedPath[]): number {
    const graph = this.#linkState.graph(from, to)
    const taken = new Set<string>()
    let faults = 0
    for (const { route } of paths) {
      const relays = route.slice(0, -1)
      const domains = new Set(relays.flatMap((relay) => graph.domains(relay)))
      faults += relays.filter((relay) => graph.draining(relay)).length + [...domains].filter((domain) => taken.has(domain)).length
      for (const domain of domains) taken.add(domain)
    }
    return faults
  }

  #message(to: NodeId, paths: readonly PlannedPath[]): PlanMessage {
    return { type: 'plan', to, paths, names: this.#names(paths) }
  }

  #names(paths: readonly PlannedPath[]): NodeName[] {
    const ids = new Set(paths.flatMap((path) => path.route))
    return [...ids].flatMap((id) => {
      const name = this.#linkState.nameOf(id)
      return name === undefined ? [] : [{ id, name }]
    })
  }
}

/** Longest route of a plan to that node. */
export function hopsMax(linkState: LinkState, to: NodeId): number {
  return Math.min(HOPS_MAX + (linkState.isBehind(to) ? 1 : 0), LIMITS.routeHopsMax)
}
