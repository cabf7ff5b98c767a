import { LIMITS, type NodeId, SeededRandom, instant, nodeId } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { Destinations, type DestinationsEffect } from './destinations.ts'
import type { LinkTable } from './link-table.ts'

/** As much of links as destinations look at: who is up, at what cost. */
interface Neighbour {
  readonly up: boolean
  readonly costMs: number
  readonly impaired: boolean
  readonly peer: { readonly id: NodeId; readonly credential: { readonly role: 'edge' | 'hub'; readonly site: string } }
}

function neighbour(name: string, role: 'edge' | 'hub', site: string): Neighbour {
  return { up: true, costMs: 1, impaired: false, peer: { id: nodeId(name), credential: { role, site } } }
}

function destinationsOver(neighbours: Neighbour[]): { destinations: Destinations; effects: DestinationsEffect[] } {
  const links = {
    get: (id: NodeId) => neighbours.find(({ peer }) => peer.id === id),
    live: (role?: string) => neighbours.filter(({ up, peer }) => up && (role === undefined || peer.credential.role === role)),
  } as unknown as LinkTable
  const effects: DestinationsEffect[] = []
  const names = new Map(['h1', 'h2', 'b', 'g'].map((name) => [nodeId(name), name]))
  const nameOf = (id: NodeId): string => names.get(id) ?? String(id)
  const emit = (effect: DestinationsEffect): number => effects.push(effect)
  return { destinations: new Destinations(instant(0), { self: nodeId('a'), site: 's', links, nameOf, emit }), effects }
}

const via = (relay: string, to: string, costMs: number): { route: NodeId[]; costMs: number; impaired: boolean } => ({
  route: [nodeId(relay), nodeId(to)],
  costMs,
  impaired: false,
})

test('a plan is wanted from the first question until nobody has asked for half a minute', () => {
  const { destinations, effects } = destinationsOver([])
  destinations.to(instant(0), nodeId('b'))
  destinations.to(instant(1), nodeId('b'))
  expect(effects).toEqual([{ type: 'planWanted', to: nodeId('b') }])
  destinations.tidy(instant(29_000), () => false)
  destinations.tidy(instant(31_000), () => true)
  expect(effects).toHaveLength(1)
  destinations.tidy(instant(32_000), () => false)
  expect(effects[1]).toEqual({ type: 'planUnwanted', to: nodeId('b') })
  expect(destinations.plan(instant(32_000), nodeId('b'), [])).toBe(false)
})

test('without a hub the last resort is a node of the own site; a hub that drains comes last', () => {
  const gateway = neighbour('g', 'edge', 's')
  expect(destinationsOver([neighbour('x', 'edge', 'elsewhere'), gateway]).destinations.ways()).toEqual([nodeId('g')])
  const { destinations } = destinationsOver([neighbour('h1', 'hub', 'c1'), neighbour('h2', 'hub', 'c2'), gateway])
  destinations.setDraining(nodeId('h1'), true)
  expect(destinations.ways()).toEqual([nodeId('h2'), nodeId('h1')])
})

test('every change of path is told with its reason, but of very many only the first and the number (invariant 1)', () => {
  const { destinations, effects } = destinationsOver([neighbour('h1', 'hub', 'c1'), neighbour('h2', 'hub', 'c2')])
  const random = new SeededRandom(1)
  const targets = Array.from({ length: LIMITS.channelsPerPeerMax }, () => `n${random.uint32()}`)
  const replan = (now: number, first: string): void => {
    for (const to of targets) {
      destinations.to(instant(now), nodeId(to))
      destinations.plan(instant(now), nodeId(to), [via(first, to, 10)])
    }
  }
  replan(0, 'h1')
  effects.length = 0
  replan(5_000, 'h2')
  replan(10_000, 'h1')
  const events = effects.flatMap((effect) => (effect.type === 'event' ? [effect] : []))
  expect(events[0]).toMatchObject({
    name: 'path-changed',
    data: { from: expect.stringMatching(/^h1>/) as string, reason: 'is not in the plan' },
  })
  expect(events.filter(({ name }) => name === 'path-changed')).toHaveLength(32)
  expect(events.find(({ name }) => name === 'paths-changed')?.data['more']).toBeGreaterThan(900)
})
