/**
 * Which ways lead from one node to another: the cheapest path, then the cheapest that shares no relay with those
 * before it, and so on. Edges are leaves: only hubs carry what is not their own.
 *
 * Greedy (shortest, remove its relays, repeat) rather than Suurballe's optimal pair (Suurballe, "Disjoint paths in
 * a network", Networks 4, 1974): the first path must be the best one there is, since it carries the traffic.
 */
import type { NodeId } from '@causeway/protocol'

/** Directed, weighted: `cost(from, to)` in milliseconds. Only nodes with neighbours listed here relay. */
export interface Graph {
  /** Cost towards each neighbour of a relay, milliseconds; `undefined` if `from` relays nothing. */
  neighbours(from: NodeId): ReadonlyMap<NodeId, number> | undefined
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

/** Up to `count` paths that share no node but their ends, cheapest first. */
export function disjointPaths(graph: Graph, query: PathQuery): GraphPath[] {
  const banned = new Set(query.avoid)
  const paths: GraphPath[] = []
  let directUsed = false
  while (paths.length < query.count) {
    const path = shortestPath(graph, query, banned, directUsed)
    if (!path) break
    paths.push(path)
    if (path.route.length === 1) directUsed = true
    for (const relay of path.route.slice(0, -1)) banned.add(relay)
  }
  return paths
}

interface Reached {
  readonly node: NodeId
  readonly costMs: number
  readonly hops: number
  readonly previous: Reached | undefined
}

/** Dijkstra's algorithm with a hop limit; graphs here are tens of hubs, so a linear scan serves as the queue. */
function shortestPath(graph: Graph, query: PathQuery, banned: ReadonlySet<NodeId>, directUsed: boolean): GraphPath | undefined {
  const best = new Map<NodeId, number>()
  const open = new Map<NodeId, Reached>([[query.from, { node: query.from, costMs: 0, hops: 0, previous: undefined }]])
  for (;;) {
    const current = cheapest(open)
    if (!current) return undefined
    if (current.node === query.to) return pathTo(current)
    open.delete(current.node)
    best.set(current.node, current.costMs)
    const neighbours = current.hops < query.hopsMax ? graph.neighbours(current.node) : undefined
    if (!neighbours) continue
    for (const [next, costMs] of neighbours) {
      if (banned.has(next) || best.has(next)) continue
      if (directUsed && current.node === query.from && next === query.to) continue
      if (next !== query.to && !graph.neighbours(next)) continue
      const total = current.costMs + costMs
      const known = open.get(next)
      if (!known || total < known.costMs) open.set(next, { node: next, costMs: total, hops: current.hops + 1, previous: current })
    }
  }
}

function cheapest(open: ReadonlyMap<NodeId, Reached>): Reached | undefined {
  let least: Reached | undefined
  for (const reached of open.values()) {
    if (!least || reached.costMs < least.costMs || (reached.costMs === least.costMs && fewerHops(reached, least))) least = reached
  }
  return least
}

/** Among equals the shorter way, then the lower id: every hub comes to the same answer. */
function fewerHops(a: Reached, b: Reached): boolean {
  return a.hops < b.hops || (a.hops === b.hops && a.node < b.node)
}

function pathTo(end: Reached): GraphPath {
  const route: NodeId[] = []
  for (let at: Reached | undefined = end; at?.previous; at = at.previous) route.unshift(at.node)
  return { route, costMs: end.costMs }
}
