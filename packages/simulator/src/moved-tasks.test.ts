/** Tasks that several hubs move, while one of them does not hear of it. */
import { expect, test } from 'vitest'
import type { Hub } from '@causeway/hub'
import { TASK_COLLECTIONS } from '@causeway/protocol'
import { makeFleet } from './fleet.ts'
import { SimulatedLeases } from './simulated-leases.ts'
import { TaskPrograms } from './task-programs.ts'
import { TaskRuns } from './task-runs.ts'
import { TaskTraffic } from './task-traffic.ts'

const TASKS = 30

test('tasks that went away and came back while the first hub was cut off are kept', () => {
  const fleet = makeFleet({ seed: 1, hubs: 3, sites: 2, nodesPerSite: 1, write: ['tasks/**'], allocator: { engine: 'external' } })
  const { world } = fleet
  const leases = new SimulatedLeases(world, world.fork())
  const runs = new TaskRuns()
  const programs = new TaskPrograms(fleet, runs, world.fork(), 2 * TASKS)
  const traffic = new TaskTraffic(fleet, runs, world.fork())
  const at = (hub: string, site: string): number =>
    world
      .node(hub)
      .machine.tasks.list({ phase: 'allocated' })
      .filter((task) => task.site === site).length
  world.run(8_000)
  for (let n = 0; n < TASKS; n++) traffic.order('site-1-a', { type: 'submit', spec: { n }, policy: 'at-least-one', near: 'site-1' })
  expect(world.runUntil(() => at('core-1', 'site-1') === TASKS && programs.running === TASKS, 20_000)).toBe(true)
  const ids = [...traffic.promised.keys()]
  world.isolate(['core-1'])
  leases.unreachable.add('core-1')
  world.run(10_000)
  for (const id of ids) traffic.order('core-2', { type: 'move', id, to: 'site-2', force: true })
  expect(world.runUntil(() => at('core-3', 'site-2') === TASKS, 20_000)).toBe(true)
  world.isolate(['core-2'])
  world.run(10_000)
  for (const id of ids) traffic.order('core-3', { type: 'move', id, to: 'site-1', force: true })
  expect(world.runUntil(() => at('core-3', 'site-1') === TASKS, 20_000)).toBe(true)
  expect(at('core-1', 'site-1')).toBe(TASKS)
  expect(at('core-2', 'site-2')).toBe(TASKS)
  leases.unreachable.clear()
  world.healAll()
  world.run(60_000)
  for (const hub of ['core-1', 'core-2', 'core-3']) expect([hub, at(hub, 'site-1') + at(hub, 'site-2')]).toEqual([hub, TASKS])
  expect(programs.running).toBe(TASKS)
  // What was said of them at the other site, and came after they had left it, is cleared away.
  const { replica } = world.node('core-1').machine as Hub
  expect(replica.list(TASK_COLLECTIONS.status).map(({ partition }) => partition)).toEqual(Array.from({ length: TASKS }, () => 'site-1'))
})

test('a hub that was away while a task was granted, and meets nobody who knows, does not grant it anew', () => {
  const fleet = makeFleet({ seed: 2, hubs: 3, sites: 2, nodesPerSite: 1, write: ['tasks/**'], allocator: { engine: 'external' } })
  const { world } = fleet
  const leases = new SimulatedLeases(world, world.fork())
  const runs = new TaskRuns()
  const programs = new TaskPrograms(fleet, runs, world.fork(), 2)
  const traffic = new TaskTraffic(fleet, runs, world.fork())
  const isRunning = (): boolean => programs.running === 1
  world.run(8_000)
  traffic.order('site-1-a', { type: 'submit', spec: {}, policy: 'sticky', near: 'site-1' })
  expect(world.runUntil(isRunning, 20_000)).toBe(true)
  const [id = ''] = traffic.promised.keys()
  // What the hub knows last is that nobody has it.
  programs.finish(id, 'failed')
  expect(world.runUntil(() => world.node('core-1').machine.tasks.get(id)?.phase === 'initialised', 5_000)).toBe(true)
  const away = world.isolate(['core-1'])
  leases.unreachable.add('core-1')
  expect(world.runUntil(isRunning, 20_000)).toBe(true)
  world.isolate([runs.running(id)[0]?.program ?? ''])
  world.run(30_000)
  world.isolate(['core-2', 'core-3'])
  away.heal()
  leases.unreachable.clear()
  world.run(30_000)
  expect(world.node('core-1').machine.tasks.get(id)).toMatchObject({ phase: 'allocated', node: 'site-1-a' })
  world.healAll()
  world.run(30_000)
  expect(runs.check(world.now)).toEqual([])
  expect(runs.running(id).map(({ program }) => program)).toEqual(['site-1-a'])
})
