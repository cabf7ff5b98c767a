/**
 * Which ways lead from one node to another: the cheapest path, then the cheapest that shares no relay with those
 * before it, and so on. Edges are leaves: only relays carry what is not their own.
 *
 * Greedy (shortest, remove its relays, repeat) rather than Suurballe's optimal pair (Suurballe, "Disjoint paths in
 * a network", Networks 4, 1974): the first path must be the best one there is, since it carries the traffic.
 *
 *  1. Every path is the cheapest there is under the strictest of these rules that leaves any:
 *     no relay that drains, shares a node or a failure domain with an earlier path; as before, but domains may be
 *     shared; for the first path only, relays that drain as well.
 *  2. No two of these share a relay, nor are both direct.
 *  3. If there is but one, the cheapest detours follow around as many of its relays, and then of its links, as there are ways
 *     around: where the best path leads over both hubs of two sites there is one for the death of either, and a node with one
 *     uplink need not wait for a verdict when a link further on is cut.
 */
import type { NodeId } from '@causeway/protocol'

/** More than any way around costs. */
const SHARED_COST_MS = 1e9

/** Directed, weighted; costs in milliseconds. */
export interface Graph {
  /** Cost of the link, `undefined` if there is none. */
  cost(from: NodeId, to: NodeId): number | undefined
  /** The relays that `from` can hand to, with the costs; `undefined` if `from` relays nothing. */
  relays(from: NodeId): ReadonlyMap<NodeId, number> | undefined
  draining(relay: NodeId): boolean
  /** What a relay shares its fate with. */
  domains(relay: NodeId): readonly string[]
}

export interface GraphPath {
  /** Nodes after the start; the last is the destination. */
  readonly route: readonly NodeId[]
  readonly costMs: number
}

export interface PathQuery {
  readonly from: NodeId
  readonly to: NodeId
  /** How many paths at most. */
  readonly count: number
  /** Longest route, in nodes after the start. */
  readonly hopsMax: number
  /** Nodes that must not be on any path. */
  readonly avoid?: ReadonlySet<NodeId>
}

/** Up to `count` paths, best first. */
export function disjointPaths(graph: Graph, query: PathQuery): GraphPath[] {
  const used = new Set(query.avoid)
  const domains = new Set<string>()
  const paths: GraphPath[] = []
  let direct = true
  const stays = (relay: NodeId): boolean => !used.has(relay) && !graph.draining(relay)
  const shares = (relay: NodeId): boolean => domains.size > 0 && graph.domains(relay).some((domain) => domains.has(domain))
  while (paths.length < query.count) {
    const path =
      shortestPath(graph, query, (relay) => stays(relay) && !shares(relay), direct) ??
      (domains.size > 0 ? shortestPath(graph, query, stays, direct) : undefined) ??
      (paths.length === 0 ? shortestPath(graph, query, (relay) => !used.has(relay), direct) : undefined)
    if (!path) break
    paths.push(path)
    const relays = path.route.slice(0, -1)
    if (relays.length === 0) direct = false
    for (const relay of relays) {
      used.add(relay)
      for (const domain of graph.domains(relay)) domains.add(domain)
    }
  }
  const [only] = paths
  return only && paths.length === 1 ? [only, ...detours(graph, query, only)] : paths
}

/**
 * The cheapest paths around the relays of the only one, and around what links these leave, each around as many as it can; best first,
 * none if there is no way around anything.
 */
function detours(graph: Graph, query: PathQuery, only: GraphPath): GraphPath[] {
  const kept = (relay: NodeId): boolean => only.route.includes(relay) || (!graph.draining(relay) && query.avoid?.has(relay) !== true)
  const left = new Set(linksOf(query.from, only.route))
  const paths: GraphPath[] = []
  const take = (path: GraphPath): void => {
    const links = linksOf(query.from, path.route)
    for (const link of left) if (!links.includes(link)) left.delete(link)
    paths.push(path)
  }
  for (const relay of only.route.slice(0, -1)) {
    if (paths.length === query.count - 1 || paths.some(({ route }) => !route.includes(relay))) continue
    const path = shortestPath(graph, query, (other) => other !== relay && kept(other), true)
    if (path) take(path)
  }
  while (left.size > 0 && paths.length < query.count - 1) {
    const path = shortestPath(dearer(graph, left), query, kept, true)
    const shared = linksOf(query.from, path?.route ?? []).filter((link) => left.has(link)).length
    if (!path || shared === left.size) break
    take({ route: path.route, costMs: path.costMs - shared * SHARED_COST_MS })
  }
  return paths.toSorted((a, b) => a.costMs - b.costMs)
}

/** The same graph, in which some links are used only if there is no way around them. */
function dearer(graph: Graph, links: ReadonlySet<string>): Graph {
  const priced = (from: NodeId, to: NodeId, costMs: number): number => costMs + (links.has(linkOf(from, to)) ? SHARED_COST_MS : 0)
  return {
    ...graph,
    cost: (from, to) => {
      const costMs = graph.cost(from, to)
      return costMs === undefined ? undefined : priced(from, to, costMs)
    },
    relays: (from) => {
      const relays = graph.relays(from)
      return relays && new Map([...relays].map(([to, costMs]) => [to, priced(from, to, costMs)]))
    },
  }
}

function linksOf(from: NodeId, route: readonly NodeId[]): string[] {
  return route.map((to, index) => linkOf(route[index - 1] ?? from, to))
}

function linkOf(from: NodeId, to: NodeId): string {
  return `${from}>${to}`
}

interface Reached {
  readonly node: NodeId
  readonly costMs: number
  readonly previous: Reached | undefined
}

/**
 * The cheapest path over relays that `allowed` admits. One round per hop, each over the relays that the last one
 * reached more cheaply (Bellman and Ford, in the form of Moore, 1959): exact under a limit of hops, where Dijkstra's
 * algorithm is not. Among equals the path of fewer hops wins, then the lower relay: every hub comes to the same answer.
 */
function shortestPath(
  graph: Graph,
  { from, to, hopsMax }: PathQuery,
  allowed: (relay: NodeId) => boolean,
  direct: boolean,
): GraphPath | undefined {
  const cheapest = new Map<NodeId, number>([[from, 0]])
  let frontier: Reached[] = [{ node: from, costMs: 0, previous: undefined }]
  let best: Reached | undefined
  for (let hop = 1; hop <= hopsMax && frontier.length > 0; hop++) {
    const reached = new Map<NodeId, Reached>()
    for (const at of frontier) {
      const last = hop === 1 && !direct ? undefined : graph.cost(at.node, to)
      if (last !== undefined) best = better({ node: to, costMs: at.costMs + last, previous: at }, best)
      for (const [relay, stepMs] of graph.relays(at.node) ?? []) {
        const costMs = at.costMs + stepMs
        if (relay === to || costMs >= (cheapest.get(relay) ?? Number.POSITIVE_INFINITY) || !allowed(relay)) continue
        reached.set(relay, better({ node: relay, costMs, previous: at }, reached.get(relay)))
      }
    }
    for (const { node, costMs } of reached.values()) cheapest.set(node, costMs)
    frontier = [...reached.values()]
  }
  return best && pathTo(best)
}

function better(one: Reached, other: Reached | undefined): Reached {
  if (!other || one.costMs < other.costMs) return one
  const tie = one.costMs === other.costMs && hopsOf(one) === hopsOf(other) && (one.previous?.node ?? 0) < (other.previous?.node ?? 0)
  return tie ? one : other
}

function hopsOf(reached: Reached): number {
  let hops = 0
  for (let at = reached.previous; at; at = at.previous) hops++
  return hops
}

function pathTo(end: Reached): GraphPath {
  const route: NodeId[] = []
  for (let at: Reached | undefined = end; at?.previous; at = at.previous) route.unshift(at.node)
  return { route, costMs: end.costMs }
}
