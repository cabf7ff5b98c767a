import { type NodeId, asNodeId } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Graph, type GraphPath, disjointPaths } from './disjoint-paths.ts'

const id = asNodeId

interface Shape {
  readonly edges: readonly (readonly [from: number, to: number, costMs: number])[]
  readonly relays?: readonly number[]
  readonly draining?: readonly number[]
  readonly domains?: Readonly<Record<number, readonly string[]>>
}

/** Whatever has a link of its own relays, unless it is said who does. */
function graphOf({ edges, relays = edges.map(([from]) => from), draining = [], domains = {} }: Shape): Graph {
  const links = new Map<NodeId, Map<NodeId, number>>()
  for (const [from, to, costMs] of edges) links.set(id(from), (links.get(id(from)) ?? new Map<NodeId, number>()).set(id(to), costMs))
  return {
    cost: (from, to) => links.get(from)?.get(to),
    relays: (from) => new Map([...(links.get(from) ?? [])].filter(([to]) => relays.includes(to))),
    draining: (relay) => draining.includes(relay),
    domains: (relay) => domains[relay] ?? [],
  }
}

interface Rule {
  readonly allowed: (relay: NodeId) => boolean
  readonly direct: boolean
}

/** The cost of the cheapest simple path that keeps the rule, by trying all of them. */
function bruteForce(graph: Graph, from: NodeId, to: NodeId, hopsMax: number, { allowed, direct }: Rule): number | undefined {
  let best: number | undefined
  const walk = (at: NodeId, seen: readonly NodeId[], costMs: number): void => {
    if (seen.length > hopsMax) return
    const last = at === from && !direct ? undefined : graph.cost(at, to)
    if (last !== undefined) best = Math.min(best ?? Number.POSITIVE_INFINITY, costMs + last)
    for (const [next, step] of graph.relays(at) ?? []) {
      if (next !== to && !seen.includes(next) && allowed(next)) walk(next, [...seen, next], costMs + step)
    }
  }
  walk(from, [from], 0)
  return best
}

const routes = (paths: readonly GraphPath[]): (readonly NodeId[])[] => paths.map(({ route }) => route)

describe('disjointPaths', () => {
  const query = { from: id(1), to: id(9), count: 4, hopsMax: 4 }

  it('prefers a cheap relay to a dear direct way, then takes what shares no relay with it', () => {
    const edges = [
      [1, 9, 100],
      [1, 2, 10],
      [2, 9, 10],
      [1, 3, 20],
      [3, 9, 20],
      [2, 3, 1],
    ] as const
    expect(disjointPaths(graphOf({ edges }), query)).toEqual([
      { route: [2, 9], costMs: 20 },
      { route: [3, 9], costMs: 40 },
      { route: [9], costMs: 100 },
    ])
  })

  it('never goes through a node that is no relay', () => {
    const edges = [
      [1, 5, 1],
      [5, 9, 1],
      [1, 2, 10],
      [2, 9, 10],
    ] as const
    expect(routes(disjointPaths(graphOf({ edges, relays: [2] }), query))).toEqual([[2, 9]])
  })

  it('avoids what it is told to avoid, and says so if nothing is left', () => {
    const edges = [
      [1, 2, 1],
      [2, 9, 1],
    ] as const
    expect(disjointPaths(graphOf({ edges }), { ...query, avoid: new Set([id(2)]) })).toEqual([])
  })

  it('takes the dearer relay of another provider before one of the same, and that one after it', () => {
    const edges = [
      [1, 2, 1],
      [2, 9, 1],
      [1, 3, 2],
      [3, 9, 2],
      [1, 4, 9],
      [4, 9, 9],
    ] as const
    const domains = { 2: ['provider=x', 'dc=x-1'], 3: ['provider=x', 'dc=x-2'], 4: ['provider=y'] }
    expect(routes(disjointPaths(graphOf({ edges, domains }), query))).toEqual([
      [2, 9],
      [4, 9],
      [3, 9],
    ])
  })

  it('plans through what drains only if there is nothing else', () => {
    const edges = [
      [1, 2, 1],
      [2, 9, 1],
      [1, 3, 20],
      [3, 9, 20],
    ] as const
    expect(routes(disjointPaths(graphOf({ edges, draining: [2] }), query))).toEqual([[3, 9]])
    expect(routes(disjointPaths(graphOf({ edges, draining: [2, 3] }), query))).toEqual([[2, 9]])
  })

  it('keeps to the limit of hops although the cheapest way is longer', () => {
    const edges = [
      [1, 2, 1],
      [2, 3, 1],
      [3, 4, 1],
      [4, 9, 1],
      [1, 4, 50],
      [2, 9, 90],
    ] as const
    expect(routes(disjointPaths(graphOf({ edges }), { ...query, count: 1, hopsMax: 3 }))).toEqual([[4, 9]])
  })

  it('goes around the last link over the same relay if there is no other way', () => {
    const edges = [
      [1, 2, 1],
      [2, 9, 1],
      [2, 3, 5],
      [3, 9, 5],
      [2, 4, 7],
      [4, 9, 7],
    ] as const
    expect(disjointPaths(graphOf({ edges }), query)).toEqual([
      { route: [2, 9], costMs: 2 },
      { route: [2, 3, 9], costMs: 11 },
    ])
  })

  it('goes around either relay where the best path leads over all there are', () => {
    const edges = [
      [1, 2, 1],
      [2, 3, 1],
      [3, 9, 1],
      [2, 9, 8],
      [1, 3, 9],
      [3, 2, 1],
    ] as const
    expect(disjointPaths(graphOf({ edges }), query)).toEqual([
      { route: [2, 3, 9], costMs: 3 },
      { route: [2, 9], costMs: 9 },
      { route: [3, 9], costMs: 10 },
    ])
  })

  it('goes around each relay, and each link, of the only path that there is a way around', () => {
    const edge = fc.tuple(fc.nat(6), fc.nat(6), fc.integer({ min: 1, max: 50 }))
    let around = 0
    fc.assert(
      fc.property(fc.array(edge, { minLength: 8, maxLength: 16 }), fc.integer({ min: 2, max: 5 }), (edges, hopsMax) => {
        const links = edges.filter(([from, to]) => from !== to)
        const relays = [1, 2, 3, 4, 5]
        const graph = graphOf({ edges: links, relays })
        const paths = disjointPaths(graph, { from: id(0), to: id(6), count: 8, hopsMax })
        for (const { route, costMs } of paths)
          expect(route.reduce((sum, hop, i) => sum + (graph.cost(route[i - 1] ?? id(0), hop) ?? NaN), 0)).toBe(costMs)
        const [only, ...others] = paths
        for (const relay of only?.route.slice(0, -1) ?? []) {
          const possible = bruteForce(graph, id(0), id(6), hopsMax, { allowed: (other) => other !== relay, direct: true }) !== undefined
          expect(others.some(({ route }) => !route.includes(relay))).toBe(possible)
        }
        for (const [index, to] of (only?.route ?? []).entries()) {
          const from = only?.route[index - 1] ?? id(0)
          const without = graphOf({ edges: links.filter((link) => link[0] !== from || link[1] !== to), relays })
          const avoided = paths.some(({ route }) => route.every((hop, i) => hop !== to || (route[i - 1] ?? id(0)) !== from))
          const possible = bruteForce(without, id(0), id(6), hopsMax, { allowed: () => true, direct: true }) !== undefined
          expect(avoided).toBe(possible)
          if (possible && others.some(({ route }) => route.includes(only?.route[0] as NodeId) && route.length > 1)) around++
        }
      }),
      { numRuns: 1000 },
    )
    expect(around).toBeGreaterThan(20)
  })

  it('is greedy and right: each path is the cheapest that the ones before leave, and there are as many as that gives (against brute force)', () => {
    const edge = fc.tuple(fc.nat(7), fc.nat(7), fc.integer({ min: 1, max: 50 }))
    const marks = fc.uniqueArray(fc.nat(7), { maxLength: 2 })
    const labels = fc.array(fc.constantFrom('provider=x', 'provider=y', undefined), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(
        fc.array(edge, { maxLength: 40 }),
        marks,
        labels,
        fc.integer({ min: 1, max: 6 }),
        (edges, draining, providers, hopsMax) => {
          const domains = Object.fromEntries(providers.map((provider, node) => [node, provider === undefined ? [] : [provider]]))
          const graph = graphOf({ edges: edges.filter(([from, to]) => from !== to), relays: [1, 2, 3, 4, 5, 6], draining, domains })
          const [from, to] = [id(0), id(7)]
          const paths = disjointPaths(graph, { from, to, count: 4, hopsMax })
          const used = new Set<NodeId>()
          const shared = new Set<string>()
          let direct = true
          for (let index = 0; index < 4; index++) {
            const stays = (relay: NodeId): boolean => !used.has(relay) && !draining.includes(relay)
            const apart = (relay: NodeId): boolean => stays(relay) && !graph.domains(relay).some((domain) => shared.has(domain))
            const any = (relay: NodeId): boolean => index === 0 && !used.has(relay)
            const bound = (allowed: Rule['allowed']): number | undefined => bruteForce(graph, from, to, hopsMax, { allowed, direct })
            const expected = bound(apart) ?? bound(stays) ?? (index === 0 ? bound(any) : undefined)
            const path = paths[index]
            // Where nothing stands apart from the only path there may be detours.
            if (index === 1 && expected === undefined) break
            expect(path?.costMs).toBe(expected)
            if (!path) break
            const { route } = path
            expect(route.at(-1)).toBe(to)
            expect(route.length).toBeLessThanOrEqual(hopsMax)
            expect(new Set([from, ...route]).size).toBe(route.length + 1)
            expect(route.reduce((sum, hop, i) => sum + (graph.cost(route[i - 1] ?? from, hop) ?? NaN), 0)).toBe(path.costMs)
            if (route.length === 1) direct = false
            for (const relay of route.slice(0, -1)) {
              expect(used.has(relay)).toBe(false)
              expect([1, 2, 3, 4, 5, 6]).toContain(relay)
              used.add(relay)
              for (const domain of graph.domains(relay)) shared.add(domain)
            }
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
