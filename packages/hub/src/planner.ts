/**
 * Answers which way: keeps the plan of every node that asked, and sends it again when it has changed.
 *
 *  1. A subscriber is told at once, and then only if there are other routes than it was told last, one of them costs
 *     notably more or less, or has begun or ceased to lose. (It orders them by what it measures itself.)
 *  2. A subscriber that is no longer linked is forgotten: it asks the next hub.
 */
import { LIMITS, type NodeId, type NodeName, type PlanMessage, type PlannedPath } from '@causeway/protocol'
import { type GraphPath, type LinkState, costMoved } from '@causeway/mesh'

/** Best path and up to three more: with four uplinks any three hubs may die. */
export const PATHS_MAX = 4
/** At most three hubs on a path that a plan names, and a gateway; the rest of the limit is for patches on the way. */
const HOPS_MAX = 4
/** A path is left for one that is better by 10 ms: what is less than that decides nothing. */
const MOVED_MS = 10
/** Bound on what one node may ask for. */
const DESTINATIONS_MAX = 4096

export class Planner {
  readonly #linkState: LinkState
  /** Subscriber → destination → what it was told last. */
  readonly #told = new Map<NodeId, Map<NodeId, readonly PlannedPath[] | undefined>>()

  constructor(linkState: LinkState) {
    this.#linkState = linkState
  }

  /** False if this node has asked for too much. */
  subscribe(from: NodeId, to: NodeId): boolean {
    const destinations = this.#told.get(from) ?? new Map<NodeId, readonly PlannedPath[] | undefined>()
    if (destinations.size >= DESTINATIONS_MAX && !destinations.has(to)) return false
    destinations.set(to, undefined)
    this.#told.set(from, destinations)
    return true
  }

  cancel(from: NodeId, to: NodeId): void {
    this.#told.get(from)?.delete(to)
  }

  forget(from: NodeId): void {
    this.#told.delete(from)
  }

  /** The plans that differ from what their subscribers know. */
  takeNews(): { readonly subscriber: NodeId; readonly plan: PlanMessage }[] {
    const news: { subscriber: NodeId; plan: PlanMessage }[] = []
    for (const [subscriber, destinations] of this.#told) {
      for (const [to, told] of destinations) {
        const paths = this.plan(subscriber, to)
        if (!differ(told, paths)) continue
        destinations.set(to, paths)
        news.push({ subscriber, plan: { type: 'plan', to, paths, names: this.#names(paths) } })
      }
    }
    return news
  }

  plan(from: NodeId, to: NodeId): PlannedPath[] {
    return this.#linkState.paths(from, to, PATHS_MAX, hopsMax(this.#linkState, to)).map((path) => this.#planned(from, path))
  }

  /** Tenths of milliseconds: finer differences are noise, not news. */
  #planned(from: NodeId, { route, costMs }: GraphPath): PlannedPath {
    return { route, costMs: Math.round(costMs * 10) / 10, impaired: this.#linkState.impaired(from, route) }
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

function differ(told: readonly PlannedPath[] | undefined, now: readonly PlannedPath[]): boolean {
  if (told?.length !== now.length) return true
  const known = new Map(told.map((path) => [path.route.join(), path]))
  return now.some(({ route, costMs, impaired }) => {
    const before = known.get(route.join())
    return !before || before.impaired !== impaired || costMoved(before.costMs, costMs, MOVED_MS)
  })
}
