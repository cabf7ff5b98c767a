import { expect, test } from 'vitest'
import { LIMITS } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { makeFleet } from './fleet.ts'

const COLLECTIONS = ['members', 'nodes', 'task-workers'] as const
const RETIRE_MS = 60_000

test('what a node said of itself, and what was concluded of it, goes when it is retired, and comes back with it', () => {
  const allocator = { engine: 'embedded', hub: 'core-1' } as const
  const limits = { ...LIMITS, retireAfterMs: RETIRE_MS }
  const { world } = makeFleet({ seed: 5, hubs: 2, sites: 2, nodesPerSite: 2, limits, allocator, interest: ['nodes/**'] })
  const machine = (name: string): NodeMachine => world.node(name).machine
  const names = ['site-1-a', 'site-1-b', 'site-2-a', 'site-2-b']
  const told = (at: string): string[] =>
    COLLECTIONS.flatMap((collection) =>
      machine(at)
        .replica.list(collection)
        .map(({ key }) => `${collection} ${key}`),
    )
  const all = COLLECTIONS.flatMap((collection) => names.map((name) => `${collection} ${name}`))
  const without = all.filter((line) => !line.endsWith(' site-1-b'))
  const offer = (name: string): void => {
    world.request(name, { type: 'work', worker: 1, selector: '', slots: 4, capacity: {} })
  }
  const live = (): void => {
    for (const name of names) if (world.node(name).alive) world.request(name, { type: 'vitals', values: { cpu: 5 } })
    world.timeline.after(5_000, live)
  }
  live()
  for (const name of names) offer(name)
  const knows = (lines: readonly string[]): boolean =>
    ['core-1', 'core-2'].every((hub) => told(hub).toSorted().join() === lines.toSorted().join())
  expect(world.runUntil(() => knows(all), 30_000)).toBe(true)
  const crash = world.crash('site-1-b')
  world.run(RETIRE_MS / 2)
  expect(knows(all)).toBe(true)
  expect(
    machine('core-2')
      .verdicts(world.node('core-2').now)
      .find(({ node }) => node === 'site-1-b')?.verdict,
  ).toBe('crashed')
  expect(world.runUntil(() => knows(without), 2 * RETIRE_MS)).toBe(true)
  expect(['core-1', 'core-2'].flatMap((hub) => machine(hub).verdicts(world.node(hub).now)).some(({ node }) => node === 'site-1-b')).toBe(
    false,
  )
  world.run(20_000)
  expect(knows(without)).toBe(true)
  crash.heal()
  offer('site-1-b')
  expect(world.runUntil(() => knows(all), 60_000)).toBe(true)
  world.run(20_000)
  expect(knows(all)).toBe(true)
})
