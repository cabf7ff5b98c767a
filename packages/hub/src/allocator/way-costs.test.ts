import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Advert, type AdvertisedLink, type NodeId, instant, nodeId } from '@causeway/protocol'
import { LinkState } from '@causeway/mesh'
import { LinkCosts } from './way-costs.ts'

const T0 = instant(0)
const HUBS = ['h1', 'h2', 'h3', 'h4']
const EDGES = ['a', 'b', 'c', 'd', 'e']
/** Each node is a site of its own. */
const siteOf = (name: string): string => `site-${name}`

function link(name: string, costMs: number, costBackMs: number): AdvertisedLink {
  const role = HUBS.includes(name) ? 'hub' : 'edge'
  return { to: nodeId(name), name, site: siteOf(name), role, costMs, costBackMs, impaired: false, domains: [], behind: [] }
}

const cost = fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined, freq: 4 })
const world = fc.record({
  hubs: fc.array(fc.array(cost, { minLength: HUBS.length, maxLength: HUBS.length }), { minLength: HUBS.length, maxLength: HUBS.length }),
  edges: fc.array(fc.array(fc.tuple(cost, fc.integer({ min: 1, max: 200 })), { minLength: EDGES.length, maxLength: EDGES.length }), {
    minLength: HUBS.length,
    maxLength: HUBS.length,
  }),
})

function stateOf({ hubs, edges }: { hubs: (number | undefined)[][]; edges: [number | undefined, number][][] }): LinkState {
  const linksOf = (at: number): AdvertisedLink[] => [
    ...HUBS.flatMap((name, to) => {
      const [there, back] = [hubs[at]?.[to], hubs[to]?.[at]]
      return to === at || there === undefined || back === undefined ? [] : [link(name, there, back)]
    }),
    ...EDGES.flatMap((name, to) => {
      const [there, back] = edges[at]?.[to] ?? []
      return there === undefined || back === undefined ? [] : [link(name, there, back)]
    }),
  ]
  const state = new LinkState(T0, { self: nodeId('h1'), name: 'h1', incarnation: 1, domains: [] })
  state.advertise(T0, linksOf(0))
  state.learn(
    T0,
    HUBS.slice(1).map((name, at): Advert => {
      const links = linksOf(at + 1)
      return { origin: nodeId(name), name, incarnation: 1, sequence: 1, ageMs: 0, draining: false, domains: [], links }
    }),
  )
  return state
}

const costsOf = (state: LinkState): LinkCosts => new LinkCosts(state, { id: nodeId('h1'), site: siteOf('h1') })

test('the cost of a way between two sites is that of the cheapest path between their nodes', () => {
  fc.assert(
    fc.property(world, (given) => {
      const state = stateOf(given)
      const ways = costsOf(state)
      const names = [...HUBS, ...EDGES]
      for (const from of names) {
        const costs = ways.from(T0, siteOf(from))
        const known = [...costs.values()]
        expect(known).toEqual(known.toSorted((a, b) => a - b))
        for (const to of names) {
          const path = from === to ? 0 : state.paths(nodeId(from), nodeId(to) as NodeId, 1, 5)[0]?.costMs
          if (ways.knows(T0, siteOf(from)) && ways.knows(T0, siteOf(to)))
            expect([from, to, costs.get(siteOf(to))]).toEqual([from, to, path])
        }
      }
    }),
  )
})

test('a hub that drains is passed by, unless there is no other way', () => {
  const state = stateOf({
    hubs: [
      [undefined, 5],
      [5, undefined],
    ],
    edges: [
      [
        [10, 10],
        [10, 10],
      ],
      [
        [50, 50],
        [50, 50],
      ],
    ],
  })
  const before = costsOf(state).from(T0, siteOf('a'))
  expect(before.get(siteOf('b'))).toBe(20)
  state.advertise(T0, [...HUBS.slice(1, 2).map((name) => link(name, 5, 5)), link('a', 10, 10), link('b', 10, 10)], true)
  expect(costsOf(state).from(T0, siteOf('a')).get(siteOf('b'))).toBe(100)
})
