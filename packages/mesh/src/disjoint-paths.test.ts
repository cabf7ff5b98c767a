import { type NodeId, asNodeId } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Graph, disjointPaths } from './disjoint-paths.ts'

const id = asNodeId

function graphOf(edges: readonly (readonly [number, number, number])[]): Graph & { cost(from: NodeId, to: NodeId): number | undefined } {
  const links = new Map<NodeId, Map<NodeId, number>>()
  for (const [from, to, costMs] of edges) links.set(id(from), (links.get(id(from)) ?? new Map<NodeId, number>()).set(id(to), costMs))
  return { neighbours: (from) => links.get(from), cost: (from, to) => links.get(from)?.get(to) }
}

/** The cheapest simple path by trying all of them. */
function bruteForce(graph: Graph, from: NodeId, to: NodeId, hopsMax: number): number | undefined {
  let best: number | undefined
  const walk = (at: NodeId, seen: Set<NodeId>, costMs: number, hops: number): void => {
    if (at === to) {
      best = best === undefined ? costMs : Math.min(best, costMs)
      return
    }
    if (hops === hopsMax) return
    for (const [next, step] of graph.neighbours(at) ?? []) {
      if (!seen.has(next)) walk(next, new Set([...seen, next]), costMs + step, hops + 1)
    }
  }
  walk(from, new Set([from]), 0, 0)
  return best
}

describe('disjointPaths', () => {
  it('prefers a cheap relay to a dear direct way, then takes what shares no relay with it', () => {
    const graph = graphOf([
      [1, 9, 100],
      [1, 2, 10],
      [2, 9, 10],
      [1, 3, 20],
      [3, 9, 20],
      [2, 3, 1],
    ])
    const paths = disjointPaths(graph, { from: id(1), to: id(9), count: 4, hopsMax: 4 })
    expect(paths.map((path) => [path.route, path.costMs])).toEqual([
      [[2, 9], 20],
      [[3, 9], 40],
      [[9], 100],
    ])
  })

  it('never relays through a node that has no links of its own', () => {
    const graph = graphOf([
      [1, 5, 1],
      [1, 2, 10],
      [2, 9, 10],
    ])
    expect(disjointPaths(graph, { from: id(1), to: id(9), count: 4, hopsMax: 4 }).map((path) => path.route)).toEqual([[2, 9]])
  })

  it('avoids what it is told to avoid, and says so if nothing is left', () => {
    const graph = graphOf([
      [1, 2, 1],
      [2, 9, 1],
    ])
    expect(disjointPaths(graph, { from: id(1), to: id(9), count: 1, hopsMax: 4, avoid: new Set([id(2)]) })).toEqual([])
  })

  it('finds the cheapest path first, and only disjoint ones (against brute force)', () => {
    const edge = fc.tuple(fc.nat(6), fc.nat(6), fc.integer({ min: 1, max: 50 }))
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 30 }), (edges) => {
        const graph = graphOf(edges.filter(([from, to]) => from !== to))
        const [from, to] = [id(0), id(6)]
        const paths = disjointPaths(graph, { from, to, count: 4, hopsMax: 7 })
        expect(paths[0]?.costMs).toBe(bruteForce(graph, from, to, 7))
        const relays = paths.flatMap((path) => path.route.slice(0, -1))
        expect(new Set(relays).size).toBe(relays.length)
        for (const { route, costMs } of paths) {
          expect(route.at(-1)).toBe(to)
          expect(route.reduce((sum, hop, i) => sum + (graph.cost(i === 0 ? from : (route[i - 1] as NodeId), hop) ?? NaN), 0)).toBe(costMs)
        }
      }),
    )
  })
})
