import { expect, test } from 'vitest'
import { makeFleet } from './fleet.ts'

test('hubs hold all hubs that they are told of, so that each hears at once what any other has', () => {
  const names = Array.from({ length: 7 }, (_, index) => `core-${index + 1}`)
  const { world } = makeFleet({ seed: 5, hubs: names.length, sites: 0, nodesPerSite: 1 })
  const at = (name: string): ReturnType<typeof world.node> => world.node(name)
  const peers = (name: string): string[] =>
    at(name)
      .machine.links(at(name).now)
      .flatMap(({ to, state }) => (state === 'up' ? [to] : []))
  expect(world.runUntil(() => names.every((name) => peers(name).length === names.length - 1), 20_000)).toBe(true)
  world.run(5_000)
  for (const name of names) world.request(name, { type: 'vitals', values: { cpu: 7 } })
  const write = { type: 'write', request: 1, collection: 'notes', partition: 'here' } as const
  world.request('core-7', { ...write, changes: [{ key: 'a', operation: { type: 'put', value: 1 } }] })
  // The slowest way takes 0.2 s; hubs compare what they hold only every 30 s.
  world.run(600)
  for (const name of names) {
    const { machine, now } = at(name)
    expect(machine.replica.get('notes', 'here', 'a')?.value, name).toBe(1)
    expect(
      machine.vitals
        .views(now)
        .map(({ identity }) => identity.name)
        .toSorted(),
    ).toEqual(names)
  }
})

test('one hub in the config is enough to learn of the others, which the disk remembers', () => {
  const { world } = makeFleet({ seed: 5, hubs: 4, sites: 2, nodesPerSite: 1, hubsNamed: 1, uplinks: 3 })
  const hubs = ['core-1', 'core-2', 'core-3', 'core-4']
  const at = (name: string): ReturnType<typeof world.node> => world.node(name)
  const held = (name: string): string[] => {
    const { machine, now } = at(name)
    return machine.links(now).flatMap(({ to, state }) => (state === 'up' && hubs.includes(to) ? [to] : []))
  }
  const settled = (): boolean => held('site-1-a').length === 3 && hubs.every((hub) => held(hub).length === 3)
  expect(world.runUntil(settled, 30_000)).toBe(true)
  world.run(20_000)
  expect(settled()).toBe(true)
  expect(held('site-1-a')).toContain('core-1')

  // The one that it was told of is away when it comes back.
  const away = world.crash('core-1')
  const edge = world.crash('site-1-a')
  world.run(5_000)
  edge.heal()
  expect(world.runUntil(() => held('site-1-a').length === 3, 20_000)).toBe(true)
  expect(held('site-1-a')).not.toContain('core-1')
  away.heal()
})
