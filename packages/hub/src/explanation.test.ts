import { type AdvertisedLink, type NodeId, instant, nodeId } from '@causeway/protocol'
import { LinkState } from '@causeway/mesh'
import { expect, test } from 'vitest'
import { explainPlan } from './explanation.ts'

function link(name: string, costMs: number, role: 'edge' | 'hub'): AdvertisedLink {
  return { to: nodeId(name), name, site: 's', role, costMs, costBackMs: costMs, impaired: false, domains: [], behind: [] }
}

interface HubSpec {
  readonly name: string
  readonly costMs: number
  readonly domains?: readonly string[]
  readonly draining?: boolean
}

/** The hubs, fully linked at 5 ms, each with a link to a and b. */
function stateOf(hubs: readonly HubSpec[]): LinkState {
  const linksOf = ({ name, costMs }: HubSpec): AdvertisedLink[] => [
    ...hubs.filter((other) => other.name !== name).map((other) => link(other.name, 5, 'hub')),
    link('a', costMs, 'edge'),
    link('b', costMs, 'edge'),
  ]
  const [own, ...others] = hubs as [HubSpec, ...HubSpec[]]
  const state = new LinkState(instant(0), { self: nodeId(own.name), name: own.name, incarnation: 1, domains: own.domains ?? [] })
  state.advertise(instant(0), linksOf(own), own.draining ?? false)
  const common = { incarnation: 1, sequence: 1, ageMs: 0 }
  state.learn(
    instant(0),
    others.map((hub) => ({
      ...common,
      origin: nodeId(hub.name),
      name: hub.name,
      draining: hub.draining ?? false,
      domains: hub.domains ?? [],
      links: linksOf(hub),
    })),
  )
  return state
}

const [A, B] = [nodeId('a'), nodeId('b')] as [NodeId, NodeId]

test('says of every way what it costs and why it is planned, or is not', () => {
  const state = stateOf([
    { name: 'h1', costMs: 10, domains: ['provider=x'] },
    { name: 'h2', costMs: 11, domains: ['provider=x'] },
    { name: 'h3', costMs: 30, domains: ['provider=y'] },
    { name: 'h4', costMs: 1, draining: true },
    { name: 'h5', costMs: 40 },
    { name: 'h6', costMs: 50 },
  ])
  const { candidates, excluded } = explainPlan(state, 'h1', A, B)
  expect(candidates.map(({ hops, costMs, planned, reason }) => [hops.join('>'), costMs, planned, reason])).toEqual([
    ['h1>b', 20, true, 'the cheapest'],
    ['h3>b', 60, true, 'the cheapest that shares nothing with those before'],
    ['h5>b', 80, true, 'the cheapest that shares nothing with those before'],
    ['h6>b', 100, true, 'the cheapest that shares nothing with those before'],
    ['h4>b', 2, false, 'h4 drains'],
    ['h2>b', 22, false, 'shares provider=x with path 1'],
  ])
  expect(candidates[0]?.steps).toEqual([
    { from: 'a', to: 'h1', costMs: 10 },
    { from: 'h1', to: 'b', costMs: 10 },
  ])
  expect(excluded).toEqual([{ hub: 'h4', reason: 'drains' }])
})

test('names what is shared, and takes what drains for want of another', () => {
  const shared = explainPlan(
    stateOf([
      { name: 'h1', costMs: 10, domains: ['dc=z'] },
      { name: 'h2', costMs: 11, domains: ['dc=z'] },
    ]),
    'h1',
    A,
    B,
  )
  expect(shared.candidates[1]).toMatchObject({
    planned: true,
    reason: 'the cheapest that shares no node with those before; it shares dc=z with path 1',
  })
  const only = explainPlan(stateOf([{ name: 'h1', costMs: 10, draining: true }]), 'h1', A, B)
  expect(only.candidates).toMatchObject([{ planned: true, reason: 'the cheapest, although h1 drains: there is no other' }])
})

test('goes around the last link of the only path that shares nothing, and says that it does', () => {
  const state = stateOf([
    { name: 'h1', costMs: 10 },
    { name: 'h2', costMs: 40 },
  ])
  state.advertise(instant(10), [link('h2', 5, 'hub'), link('a', 10, 'edge'), link('b', 10, 'edge')])
  state.learn(instant(10), [
    {
      origin: nodeId('h2'),
      name: 'h2',
      incarnation: 1,
      sequence: 2,
      ageMs: 0,
      draining: false,
      domains: [],
      links: [link('h1', 5, 'hub'), link('b', 40, 'edge')],
    },
  ])
  const { candidates } = explainPlan(state, 'h1', A, B)
  expect(candidates.map(({ hops, planned, reason }) => [hops.join('>'), planned, reason])).toEqual([
    ['h1>b', true, 'the cheapest'],
    ['h1>h2>b', true, 'the cheapest around a link of path 1; it shares h1: no other way shares nothing'],
  ])
})

test('says which hub is not reached, and finds nothing to a node that nobody sees', () => {
  const state = stateOf([
    { name: 'h1', costMs: 10 },
    { name: 'h2', costMs: 11 },
  ])
  state.advertise(instant(10), [link('a', 10, 'edge'), link('b', 10, 'edge')])
  expect(explainPlan(state, 'h1', A, B).excluded).toEqual([{ hub: 'h2', reason: 'is not reached by any other hub' }])
  expect(explainPlan(state, 'h1', A, nodeId('nowhere')).candidates).toEqual([])
})
