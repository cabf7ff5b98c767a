/**
 * Which ways lead from one node to another, and why a plan names some of them and not the others: what it says of each
 * follows from the same graph and the same rules as the plan (`disjointPaths`), by asking them again with less allowed.
 */
import { LIMITS, type NodeId, type PathCandidate, type PlanExplanation } from '@causeway/protocol'
import { type Graph, type GraphPath, type LinkState, disjointPaths } from '@causeway/mesh'
import { PATHS_MAX, hopsMax } from './planner.ts'

/** Hubs and ways that are spoken of. */
const CANDIDATES_MAX = 32

export function explainPlan(linkState: LinkState, hub: string, from: NodeId, to: NodeId): PlanExplanation {
  const name = (id: NodeId): string => linkState.nameOf(id) ?? `#${id.toString(16)}`
  const graph = linkState.graph(from, to)
  const limit = hopsMax(linkState, to)
  const plan = disjointPaths(graph, { from, to, count: PATHS_MAX, hopsMax: limit })
  const stepsOf = (route: readonly NodeId[]): PathCandidate['steps'] =>
    route.map((hop, index) => {
      const at = route[index - 1] ?? from
      return { from: name(at), to: name(hop), costMs: linkState.cost(at, hop) ?? null }
    })
  const candidate = ({ route, costMs }: GraphPath, planned: boolean, reason: string): PathCandidate => ({
    hops: route.map(name),
    costMs: Math.round(costMs * 10) / 10,
    steps: stepsOf(route),
    planned,
    reason,
  })
  const reasons = new Reasons(graph, plan, limit, name)
  const others = waysByFirstRelay(graph, from, to, new Set(plan.map(({ route }) => route[0] as NodeId)))
  const excluded = linkState
    .hubs()
    .flatMap(({ id, reachable, draining }) =>
      reachable ? (draining ? [{ hub: name(id), reason: 'drains' }] : []) : [{ hub: name(id), reason: 'is not reached by any other hub' }],
    )
  return {
    from: name(from),
    to: name(to),
    hub,
    candidates: [
      ...plan.map((path, index) => candidate(path, true, reasons.ofPlanned(path, index))),
      ...others.slice(0, CANDIDATES_MAX).map((path) => candidate(path, false, reasons.ofRejected(path))),
    ],
    excluded: excluded.slice(0, CANDIDATES_MAX),
  }
}

/** The cheapest way over each relay that the source can hand to and the plan does not begin with; cheapest first. */
function waysByFirstRelay(graph: Graph, from: NodeId, to: NodeId, planned: ReadonlySet<NodeId>): GraphPath[] {
  return [...(graph.relays(from) ?? [])]
    .filter(([first]) => !planned.has(first))
    .flatMap(([first, costMs]) => {
      const only: Graph = {
        ...graph,
        draining: (relay) => relay !== first && graph.draining(relay),
        cost: (one, other) => (one === from ? undefined : graph.cost(one, other)),
        relays: (relay) => (relay === from ? new Map([[first, costMs]]) : graph.relays(relay)),
      }
      return disjointPaths(only, { from, to, count: 1, hopsMax: LIMITS.routeHopsMax })
    })
    .toSorted((a, b) => a.costMs - b.costMs)
}

class Reasons {
  readonly #graph: Graph
  readonly #plan: readonly GraphPath[]
  readonly #hopsMax: number
  readonly #name: (id: NodeId) => string

  constructor(graph: Graph, plan: readonly GraphPath[], hopsMax: number, name: (id: NodeId) => string) {
    this.#graph = graph
    this.#plan = plan
    this.#hopsMax = hopsMax
    this.#name = name
  }

  ofPlanned(path: GraphPath, index: number): string {
    const drains = relaysOf(path).find((relay) => this.#graph.draining(relay))
    if (drains !== undefined) return `the cheapest, although ${this.#name(drains)} drains: there is no other`
    if (index === 0) return 'the cheapest'
    const relays = relaysOf(path)
    const common = relaysOf(this.#plan[0] as GraphPath).find((relay) => relays.includes(relay))
    if (common !== undefined) return `the cheapest around a link of path 1; it shares ${this.#name(common)}: no other way shares nothing`
    const shared = this.#sharedDomain(path, this.#plan.slice(0, index))
    if (shared === undefined) return 'the cheapest that shares nothing with those before'
    return `the cheapest that shares no node with those before; it shares ${shared}`
  }

  ofRejected(path: GraphPath): string {
    if (path.route.length > this.#hopsMax) return `is longer than ${this.#hopsMax} hops`
    const relays = relaysOf(path)
    const drains = relays.find((relay) => this.#graph.draining(relay))
    if (drains !== undefined) return `${this.#name(drains)} drains`
    for (const [index, planned] of this.#plan.entries()) {
      const shared = relaysOf(planned).find((relay) => relays.includes(relay))
      if (shared !== undefined) return `shares ${this.#name(shared)} with path ${index + 1}`
    }
    const shared = this.#sharedDomain(path, this.#plan)
    return shared === undefined ? `${PATHS_MAX} paths that cost less are enough` : `shares ${shared}`
  }

  /** A failure domain that a path has in common with one of others, in words. */
  #sharedDomain(path: GraphPath, others: readonly GraphPath[]): string | undefined {
    const domains = new Set(relaysOf(path).flatMap((relay) => this.#graph.domains(relay)))
    for (const [index, other] of others.entries()) {
      const shared = relaysOf(other)
        .flatMap((relay) => this.#graph.domains(relay))
        .find((domain) => domains.has(domain))
      if (shared !== undefined) return `${shared} with path ${index + 1}`
    }
    return undefined
  }
}

function relaysOf({ route }: GraphPath): readonly NodeId[] {
  return route.slice(0, -1)
}
