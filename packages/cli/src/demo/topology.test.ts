import { expect, test } from 'vitest'
import { pathDelayMs, planTopology } from './topology.ts'

const size = { hubs: 2, sites: 2, nodes: 2, seed: 1 }

test('hubs come first, each site has its nodes', () => {
  const { nodes } = planTopology(size, () => 1)
  expect(nodes.map(({ name }) => name)).toEqual(['core-1', 'core-2', 'site-1-a', 'site-1-b', 'site-2-a', 'site-2-b'])
  expect(nodes.map(({ site }) => site)).toEqual(['core-1', 'core-2', 'site-1', 'site-1', 'site-2', 'site-2'])
})

test('the least delay may lead over two hubs', () => {
  // Places 0 and 1 are hubs, 2 and 3 sites: each site is near one hub, the hubs are 10 ms apart.
  const near = new Set(['0-2', '2-0', '1-3', '3-1'])
  const topology = planTopology(size, (a, b) => (near.has(`${a}-${b}`) ? 5 : a + b === 1 ? 10 : 50))
  expect(pathDelayMs(topology, 'site-1', 'site-2')).toBe(20)
  expect(pathDelayMs(topology, 'site-1', 'site-1')).toBe(0)
  expect(pathDelayMs(topology, 'site-1', 'core-2')).toBe(15)
})
