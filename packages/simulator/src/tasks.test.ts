import { describe, expect, test } from 'vitest'
import type { TaskOrder, TaskOutcome, TaskWhyView } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { type Fleet, makeFleet } from './fleet.ts'
import { TaskPrograms } from './task-programs.ts'
import { TaskRuns } from './task-runs.ts'
import { runTaskScenario } from './task-scenario.ts'
import { TaskTraffic } from './task-traffic.ts'

interface TaskWorld {
  readonly fleet: Fleet
  readonly runs: TaskRuns
  readonly programs: TaskPrograms
  readonly traffic: TaskTraffic
}

function makeTaskWorld(
  seed: number,
  options: { hubs?: number; sites?: number; nodesPerSite?: number; write?: readonly string[] } = {},
): TaskWorld {
  const fleet = makeFleet({
    seed,
    hubs: 2,
    sites: 2,
    nodesPerSite: 2,
    write: ['tasks/**'],
    allocator: { engine: 'embedded', hub: 'core-1' },
    ...options,
  })
  const runs = new TaskRuns()
  const programs = new TaskPrograms(fleet, runs, fleet.world.fork(), 10)
  const traffic = new TaskTraffic(fleet, runs, fleet.world.fork())
  fleet.world.run(8_000)
  return { fleet, runs, programs, traffic }
}

function machine({ fleet }: TaskWorld, name = 'core-1'): NodeMachine {
  return fleet.world.node(name).machine
}

/** Gives an order and waits for what it is answered. */
function order({ fleet, traffic }: TaskWorld, ...args: Parameters<TaskTraffic['order']>): TaskOutcome {
  const record = traffic.order(...args)
  expect(fleet.world.runUntil(() => record?.result !== undefined, 6_000)).toBe(true)
  return record?.result as TaskOutcome
}

function submitted(world: TaskWorld, policy: 'sticky' | 'at-most-one' | 'at-least-one', at = 'site-1-a'): string {
  const result = order(world, at, { type: 'submit', spec: { channel: 'c7' }, policy })
  expect(result).toMatchObject({ ok: true, created: true })
  const id = result.ok ? result.task.id : ''
  expect(world.fleet.world.runUntil(() => world.runs.running(id).length === 1, 5_000)).toBe(true)
  return id
}

describe('a task', () => {
  test('is submitted, granted, given, reported, updated and stopped', () => {
    const world = makeTaskWorld(1)
    const id = submitted(world, 'sticky')
    const { fleet, runs } = world
    expect(fleet.world.runUntil(() => machine(world, 'site-1-a').tasks.get(id)?.running === true, 3_000)).toBe(true)
    expect(machine(world, 'site-1-a').tasks.get(id)).toMatchObject({
      phase: 'allocated',
      site: 'site-1',
      generation: 1,
      observedGeneration: 1,
    })
    expect(order(world, 'site-1-b', { type: 'update', id, spec: { channel: 'c8' } })).toMatchObject({ ok: true, task: { generation: 2 } })
    expect(fleet.world.runUntil(() => machine(world).tasks.get(id)?.observedGeneration === 2, 3_000)).toBe(true)
    expect(order(world, 'site-2-a', { type: 'stop', id })).toMatchObject({ ok: true, task: { phase: 'tombstone' } })
    expect(fleet.world.runUntil(() => machine(world, 'site-1-a').tasks.get(id)?.phase === 'gone', 5_000)).toBe(true)
    expect(runs.running(id)).toEqual([])
    expect(order(world, 'site-1-a', { type: 'stop', id })).toMatchObject({ ok: false, code: 'refused' })
    expect(runs.check(fleet.world.now)).toEqual([])
  })

  test('comes back from tombstone with a higher token, to the worker that has it', () => {
    const world = makeTaskWorld(2)
    const id = submitted(world, 'at-most-one')
    const before = machine(world).tasks.get(id)
    order(world, 'site-1-a', { type: 'stop', id })
    expect(order(world, 'site-1-a', { type: 'undelete', id })).toMatchObject({ ok: true, task: { phase: 'allocated' } })
    world.fleet.world.run(5_000)
    expect(machine(world).tasks.get(id)).toMatchObject({ phase: 'allocated', node: before?.node, running: true })
    expect(machine(world).tasks.get(id)?.token).toBeGreaterThan(before?.token ?? 0)
    expect(order(world, 'site-1-a', { type: 'undelete', id })).toMatchObject({ ok: false, code: 'refused' })
    expect(world.runs.runs).toHaveLength(1)
  })

  test('moves where it is told to, with its records', () => {
    const world = makeTaskWorld(3)
    const id = submitted(world, 'sticky')
    expect(order(world, 'site-1-a', { type: 'move', id, to: 'nowhere' })).toMatchObject({ ok: false, code: 'refused' })
    expect(order(world, 'site-1-a', { type: 'move', id, to: 'site-2' })).toMatchObject({ ok: true })
    expect(
      world.fleet.world.runUntil(
        () => machine(world).tasks.get(id)?.site === 'site-2' && machine(world).tasks.get(id)?.running === true,
        8_000,
      ),
    ).toBe(true)
    expect(machine(world, 'site-2-a').tasks.get(id)).toMatchObject({ phase: 'allocated' })
    expect(world.fleet.world.runUntil(() => machine(world, 'site-1-a').tasks.get(id)?.phase === 'gone', 2_000)).toBe(true)
    expect(machine(world, 'site-1-a').tasks.get(id)?.reason).toBe('moved to site-2')
    expect(world.runs.check(world.fleet.world.now)).toEqual([])
  })

  test('of one converge key is one task, whoever submits it', () => {
    const world = makeTaskWorld(4)
    const names = ['site-1-a', 'site-1-b', 'site-2-a', 'site-2-b', 'core-1', 'core-2']
    world.fleet.world.run(17_000)
    const orders = Array.from({ length: 600 }, (_, n) =>
      world.traffic.order(names[n % names.length] ?? '', { type: 'submit', spec: null, convergeKey: `key-${n % 60}` }),
    )
    expect(world.fleet.world.runUntil(() => orders.every((each) => each?.result !== undefined), 6_000)).toBe(true)
    expect(orders.filter((each) => each?.result?.ok === true && each.result.created)).toHaveLength(60)
    expect(machine(world).tasks.list({})).toHaveLength(60)
  })

  test('that nobody could run, or at a site that nobody knows, is refused with the reason', () => {
    const world = makeTaskWorld(5)
    expect(order(world, 'site-1-a', { type: 'submit', spec: null, needs: { gpu: 1 }, site: 'atlantis' })).toMatchObject({
      ok: false,
      code: 'refused',
      message: 'no site atlantis is known',
    })
    expect(order(world, 'site-1-a', { type: 'submit', spec: null, nodes: 'disk=ssd' })).toMatchObject({ ok: false, code: 'refused' })
  })
})

describe('a site without hubs', () => {
  const cutFor = (policy: 'sticky' | 'at-most-one' | 'at-least-one', ms: number): { world: TaskWorld; id: string } => {
    const world = makeTaskWorld(6)
    const id = submitted(world, policy)
    const cut = world.fleet.world.cut(world.fleet.sites.get('site-1') ?? [], ['core-1', 'core-2'])
    world.fleet.world.run(ms)
    expect(cut.dropped).toBeGreaterThan(0)
    return { world, id }
  }

  test('stops at-most-one within 12 s, and it runs elsewhere', () => {
    const { world, id } = cutFor('at-most-one', 12_700)
    expect(world.runs.running(id)).toEqual([])
    expect(world.fleet.world.runUntil(() => world.runs.running(id).length === 1, 10_000)).toBe(true)
    expect(world.runs.running(id)[0]?.program).toMatch(/^site-2/)
    expect(world.runs.check(world.fleet.world.now)).toEqual([])
  })

  test('goes on with sticky, also over a restart, and nobody else gets it', () => {
    const { world, id } = cutFor('sticky', 60_000)
    const [run] = world.runs.running(id)
    expect(run?.program).toMatch(/^site-1/)
    world.fleet.world.crash(run?.program ?? '')
    world.fleet.world.run(2_000)
    world.fleet.world.restart(run?.program ?? '')
    world.fleet.world.run(30_000)
    expect(world.runs.running(id)).toHaveLength(1)
    expect(world.runs.running(id)[0]).toBe(run)
    world.fleet.world.healAll()
    expect(world.fleet.world.runUntil(() => machine(world).tasks.get(id)?.running === true, 60_000)).toBe(true)
    world.fleet.world.run(20_000)
    expect(world.runs.runs).toHaveLength(1)
  })

  test('goes on with at-least-one, which also runs elsewhere, until it is heard of again', () => {
    const { world, id } = cutFor('at-least-one', 25_000)
    expect(world.runs.running(id)).toHaveLength(2)
    let overlaps = 0
    world.fleet.world.watch((_, effect) => {
      if (effect.type === 'event' && effect.name === 'task-overlap') overlaps++
    })
    world.fleet.world.healAll()
    expect(world.fleet.world.runUntil(() => world.runs.running(id).length === 1, 60_000)).toBe(true)
    expect(world.fleet.world.runUntil(() => overlaps > 0, 1_000)).toBe(true)
    world.fleet.world.run(10_000)
    expect(overlaps).toBe(1)
    expect(machine(world).tasks.get(id)?.conditions).toMatchObject([{ type: 'Overlap', status: true }])
  })

  test('takes submissions, which become tasks when it is heard of again', () => {
    const { world } = cutFor('sticky', 10_000)
    const result = order(world, 'site-1-b', { type: 'submit', spec: { n: 1 }, convergeKey: 'later' })
    expect(result).toMatchObject({ ok: true, task: { phase: 'pending' } })
    const id = result.ok ? result.task.id : ''
    expect(order(world, 'site-1-b', { type: 'stop', id })).toMatchObject({ ok: false, code: 'unreachable' })
    world.fleet.world.healAll()
    expect(world.fleet.world.runUntil(() => machine(world).tasks.get(id)?.running === true, 60_000)).toBe(true)
    expect(machine(world).tasks.list({ phase: 'pending' })).toEqual([])
  })
})

test('the tasks of a node that dies on a live site run elsewhere within lease and 3 s', () => {
  const world = makeTaskWorld(7)
  const ids = (['sticky', 'at-most-one', 'at-least-one'] as const).map((policy) => submitted(world, policy))
  const victims = new Map(ids.map((id) => [id, world.runs.running(id)[0]?.program ?? '']))
  for (const victim of new Set(victims.values())) {
    world.programs.crash(victim)
    world.fleet.world.crash(victim)
  }
  if (new Set(victims.values()).size > 1) return
  expect(world.fleet.world.runUntil(() => ids.every((id) => world.runs.running(id).length === 1), 18_000)).toBe(true)
})

test('the allocator dies and comes back: nobody notices', () => {
  const world = makeTaskWorld(8)
  const ids = (['sticky', 'at-most-one', 'at-least-one'] as const).map((policy) => submitted(world, policy))
  world.fleet.world.crash('core-1')
  world.fleet.world.run(3_000)
  world.fleet.world.restart('core-1')
  world.fleet.world.run(40_000)
  for (const id of ids) expect(world.runs.running(id)).toHaveLength(1)
  expect(world.runs.runs).toHaveLength(3)
})

test.each([
  [1, 'embedded'],
  [2, 'external'],
] as const)('seed %d with the %s engine: faults longer than leases, and nothing runs twice', (seed, engine) => {
  expect(runTaskScenario({ seed, engine, seconds: 30 }).objections).toEqual([])
})

describe('orders', () => {
  test('are taken only from who may write the tasks of that site', () => {
    const world = makeTaskWorld(9, { write: [] })
    const refused = { ok: false, code: 'refused', message: expect.stringContaining('site-2-a may not order tasks of site-1') as string }
    const id = submitted(world, 'sticky')
    expect(order(world, 'site-2-a', { type: 'stop', id })).toMatchObject(refused)
    expect(order(world, 'site-2-a', { type: 'move', id, force: true })).toMatchObject(refused)
    expect(order(world, 'site-2-a', { type: 'update', id, spec: 7 })).toMatchObject(refused)
    expect(order(world, 'site-2-a', { type: 'submit', spec: 7, near: 'site-1' })).toMatchObject(refused)
    expect(machine(world).tasks.get(id)).toMatchObject({ phase: 'allocated', generation: 1 })
    // To another site, but of its own: not by its own right.
    const elsewhere = { message: 'site-1-b may not order tasks of site-2' }
    expect(order(world, 'site-1-b', { type: 'move', id, to: 'site-2' })).toMatchObject(elsewhere)
    expect(order(world, 'site-1-b', { type: 'move', id, to: 'site-2-a' })).toMatchObject(elsewhere)
    // A hub moves it; it is still wanted at the site that submitted it.
    expect(order(world, 'core-2', { type: 'move', id, to: 'site-2' })).toMatchObject({ ok: true })
    expect(world.fleet.world.runUntil(() => machine(world).tasks.get(id)?.site === 'site-2', 8_000)).toBe(true)
    expect(order(world, 'site-1-b', { type: 'stop', id })).toMatchObject({ ok: true })
  })

  test('that were written down while no hub was reached are judged by the credential of whoever wrote them', () => {
    const world = makeTaskWorld(10, { write: [] })
    const { fleet } = world
    fleet.world.cut(fleet.sites.get('site-1') ?? [], ['core-1', 'core-2'])
    fleet.world.run(5_000)
    const early = order(world, 'site-1-a', { type: 'submit', spec: 7, near: 'site-2' })
    expect(early).toMatchObject({ ok: false, message: 'site-1-a may not order tasks of site-2' })
    // Somebody who leaves that check out.
    const submission = { id: 't-forged', spec: 7, near: 'site-2' }
    const value = { submission, from: 'core-1', at: 0 }
    const changes = [{ key: 't-forged', operation: { type: 'put', value } }] as const
    fleet.world.request('site-1-a', { type: 'write', request: 77, collection: 'task-requests', partition: 'site-1', changes })
    fleet.world.run(1_000)
    expect(machine(world, 'site-1-a').tasks.get('t-forged')).toMatchObject({ phase: 'pending' })
    fleet.world.healAll()
    expect(fleet.world.runUntil(() => machine(world, 'site-1-a').tasks.get('t-forged')?.phase === 'gone', 60_000)).toBe(true)
    expect(machine(world, 'site-1-a').tasks.get('t-forged')?.reason).toBe('refused: site-1-a may not order tasks of site-2')
  })

  test('are tried without being given', () => {
    const world = makeTaskWorld(11)
    const { fleet } = world
    const explained: unknown[] = []
    fleet.world.watch((_, effect) => {
      if (effect.type === 'taskExplained') explained.push(effect.result)
    })
    const dryRun = (about: TaskOrder): unknown => {
      const before = explained.length
      fleet.world.request('site-1-a', { type: 'explainTask', request: 1_000 + before, about })
      expect(fleet.world.runUntil(() => explained.length > before, 6_000)).toBe(true)
      return explained.at(-1)
    }
    expect(dryRun({ type: 'submit', spec: 7 })).toMatchObject({
      task: {
        phase: 'initialised',
        site: 'site-1',
        reason: 'would be placed at site-1',
        node: expect.stringMatching(/^site-1-/) as string,
      },
      candidates: [{ chosen: true, site: 'site-1' }, { chosen: false }, { chosen: false }, { chosen: false }],
    })
    expect(dryRun({ type: 'submit', spec: 7, nodes: 'disk=ssd' })).toMatchObject({ ok: false, code: 'refused' })
    expect(machine(world).tasks.list({})).toEqual([])
    const id = submitted(world, 'sticky')
    fleet.world.run(2_000)
    const before = machine(world).tasks.get(id)
    expect(dryRun({ type: 'update', id, spec: 8 })).toMatchObject({ task: { spec: 8, generation: 2 }, candidates: [] })
    expect(dryRun({ type: 'update', id, spec: 8, generation: 5 })).toMatchObject({ ok: false, code: 'conflict' })
    expect(dryRun({ type: 'stop', id })).toMatchObject({ task: { phase: 'tombstone' } })
    expect(dryRun({ type: 'undelete', id })).toMatchObject({ ok: false, code: 'refused' })
    const moved = dryRun({ type: 'move', id, to: 'site-2' }) as TaskWhyView
    expect(moved).toMatchObject({ task: { phase: 'tombstone' } })
    expect(moved.candidates.find(({ chosen }) => chosen)?.site).toBe('site-2')
    expect(dryRun({ type: 'move', id, to: 'site-2', force: true })).toMatchObject({ task: { phase: 'allocated', site: 'site-2' } })
    expect(machine(world).tasks.get(id)).toEqual(before)
  })
})
