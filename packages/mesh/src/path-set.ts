/**
 * The paths to one destination, best first: the plan of a hub, the direct link if there is one, and as a last
 * resort any live uplink, whose relay finds the rest of the way by itself.
 *
 *  1. Two paths of a set never have the same route.
 *  2. A path that stays in the plan stays the same object: its round trip and suspicion survive a new plan.
 *  3. The active path changes for a better one only if that is better by max(10 ms, 10 %); for a dead or
 *     suspect one at once.
 */
import type { NodeId, PlannedPath } from '@causeway/protocol'
import { Path } from './path.ts'

const BETTER_BY_MS = 10
const BETTER_BY_RATIO = 0.1
const UNKNOWN_COST_MS = 10_000

/** What a path set needs to know of this node's own links. */
export interface FirstHops {
  /** Cost of the link to a neighbour, `null` if unmeasured; `undefined` if there is no link or it is down. */
  costTo(neighbour: NodeId): number | null | undefined
  /** Live links to hubs, cheapest first: ways out when there is no plan. */
  ways(): readonly NodeId[]
}

export class PathSet {
  readonly to: NodeId
  #planned: readonly PlannedPath[] = []
  #paths: Path[] = []
  #active: Path | undefined

  constructor(to: NodeId) {
    this.to = to
  }

  /** All paths, best first. */
  get paths(): readonly Path[] {
    return this.#paths
  }

  get active(): Path | undefined {
    return this.#active
  }

  plan(planned: readonly PlannedPath[], hops: FirstHops): void {
    this.#planned = planned
    this.refresh(hops)
  }

  /** Own links have changed: rebuild the list, keep what is known of the paths that stay. */
  refresh(hops: FirstHops): void {
    const known = new Map(this.#paths.map((path) => [routeKey(path.route), path]))
    const paths: Path[] = []
    const add = (route: readonly NodeId[], costMs: number | null): void => {
      const key = routeKey(route)
      if (paths.some((path) => routeKey(path.route) === key)) return
      const path = known.get(key) ?? new Path(route, costMs)
      path.costMs = costMs
      const up = hops.costTo(path.firstHop) !== undefined
      if (up && !path.up) path.renew()
      path.up = up
      paths.push(path)
    }
    const direct = hops.costTo(this.to)
    if (direct !== undefined) add([this.to], direct)
    for (const { route, costMs } of this.#planned) add(route, costMs)
    paths.sort((a, b) => rank(a) - rank(b))
    const firstHops = new Set(paths.map((path) => path.firstHop))
    for (const way of hops.ways()) if (way !== this.to && !firstHops.has(way)) add([way, this.to], null)
    this.#paths = paths
    this.#reconsider()
  }

  /**
   * The path to send on now. Suspect paths come last, dead ones not at all; `avoid` is taken only if there is
   * nothing else.
   */
  choose(avoid?: Path): Path | undefined {
    this.#reconsider()
    const active = this.#active
    if (active && active !== avoid && !active.suspect) return active
    return this.#best(avoid) ?? (avoid?.up ? avoid : undefined)
  }

  #best(avoid?: Path): Path | undefined {
    const usable = this.#paths.filter((path) => path.up && path !== avoid)
    return usable.find((path) => !path.suspect) ?? usable[0]
  }

  #reconsider(): void {
    const best = this.#best()
    const active = this.#active
    if (!active?.up || !this.#paths.includes(active) || (active.suspect && best && !best.suspect)) {
      this.#active = best
    } else if (best && best !== active && !best.suspect) {
      const now = rank(active)
      const gain = now - rank(best)
      if (gain > Math.max(BETTER_BY_MS, BETTER_BY_RATIO * now)) this.#active = best
    }
  }
}

/** What a path is worth for the order: its cost; a direct link needs no third party, and wins near ties. */
function rank(path: Path): number {
  const cost = path.costMs ?? UNKNOWN_COST_MS
  return path.route.length === 1 ? cost - BETTER_BY_MS : cost
}

function routeKey(route: readonly NodeId[]): string {
  return route.join('>')
}
