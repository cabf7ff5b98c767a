import { describe, expect, test } from 'vitest'
import type { TaskRecord, Verdict, VitalValues } from '@causeway/protocol'
import { parseSelector } from '@causeway/node'
import { type PlacementQuery, type PoolNode, lastingFault, rank } from './placement.ts'

const TASK: TaskRecord = {
  ...{
    desired: { spec: null, generation: 1 },
    policy: 'sticky',
    convergeKey: null,
    needs: {},
    nodes: '',
    site: null,
    near: 'hkg',
    createdAt: 0,
    token: 0,
  },
}

interface Spec {
  readonly site?: string
  readonly slots?: number
  readonly granted?: number
  readonly capacity?: Record<string, number>
  readonly labels?: Record<string, string>
  readonly selector?: string
}

function node(name: string, { site = 'hkg', slots = 4, granted = 0, capacity = {}, labels = {}, selector = '' }: Spec = {}): PoolNode {
  const tasks = new Map(Array.from({ length: granted }, (_, n) => [`x${n}`, { labels: { kind: 'record' }, needs: { gpu: 1 } }] as const))
  return { node: name, site, labels, granted: tasks, workers: [{ selects: parseSelector(selector), slots, capacity }] }
}

function query(task: Partial<TaskRecord> = {}, rest: Partial<PlacementQuery> = {}): PlacementQuery {
  return { id: 't', task: { ...TASK, ...task }, labels: { kind: 'record' }, to: null, not: null, ...rest }
}

const COSTS: Readonly<Record<string, number>> = { hkg: 0, sin: 20, nrt: 30 }
const knowing = (verdicts: Record<string, Verdict> = {}, vitals: Record<string, VitalValues> = {}) => ({
  verdict: (name: string): Verdict => verdicts[name] ?? 'alive',
  vitals: (name: string): VitalValues | undefined => vitals[name],
  costMs: (_: string, { site }: PoolNode): number | null => COSTS[site] ?? null,
})

const chosen = (...args: Parameters<typeof rank>): string | undefined => rank(...args).find((each) => each.chosen)?.node
const rejected = (...args: Parameters<typeof rank>): Record<string, string> =>
  Object.fromEntries(rank(...args).map((each) => [each.node, each.rejected]))

describe('placement', () => {
  test('takes the nearest that has room, and overflows to the next', () => {
    const pool = [node('n1', { site: 'nrt' }), node('s1', { site: 'sin' }), node('h1', { granted: 3 })]
    expect(chosen(query(), pool, knowing())).toBe('h1')
    const full = [node('n1', { site: 'nrt' }), node('s1', { site: 'sin' }), node('h1', { granted: 4 })]
    expect(chosen(query(), full, knowing())).toBe('s1')
    expect(rejected(query(), full, knowing())).toMatchObject({ h1: 'is full: 4 tasks for 4 slots', s1: '' })
    expect(chosen(query({ site: 'hkg' }), full, knowing())).toBeUndefined()
  })

  test('prefers the less busy of equals, by vitals and by what was granted just now', () => {
    expect(chosen(query(), [node('h1'), node('h2', { granted: 1 })], knowing())).toBe('h1')
    expect(chosen(query(), [node('h1'), node('h2')], knowing({}, { h1: { cpu: 80 }, h2: { cpu: 10 } }))).toBe('h2')
  })

  test('spreads many tasks over nodes that are the same', () => {
    const pool = [node('h1'), node('h2'), node('h3')]
    const places = new Set(Array.from({ length: 30 }, (_, n) => chosen(query({}, { id: `t${n}` }), pool, knowing())))
    expect(places.size).toBe(3)
  })

  test('counts needs against capacity, else against vitals', () => {
    const gpus = (granted: number): PoolNode => node('h1', { capacity: { gpu: 2 }, granted })
    expect(chosen(query({ needs: { gpu: 1 } }), [gpus(1)], knowing())).toBe('h1')
    expect(rejected(query({ needs: { gpu: 1 } }), [gpus(2)], knowing())).toEqual({ h1: 'has 0 gpu free, and it needs 1' })
    expect(chosen(query({ needs: { mem: 30 } }), [node('h1')], knowing({}, { h1: { mem: 60 } }))).toBe('h1')
    expect(rejected(query({ needs: { mem: 30 } }), [node('h1')], knowing({}, { h1: { mem: 80 } }))).toEqual({
      h1: 'has 20 mem free, and it needs 30',
    })
    expect(rejected(query({ needs: { tape: 1 } }), [node('h1')], knowing())).toEqual({ h1: 'tells nothing of tape' })
  })

  test('asks for labels on the node, labels of the task, a place to go to and one to leave', () => {
    const pool = [node('h1', { labels: { disk: 'ssd' } }), node('h2', { selector: 'kind=play' }), node('s1', { site: 'sin' })]
    expect(rejected(query({ nodes: 'disk=ssd' }), pool, knowing())).toMatchObject({ h1: '', s1: 'its labels are not disk=ssd' })
    expect(rejected(query(), pool, knowing())).toMatchObject({ h2: 'none of its workers takes tasks with these labels' })
    expect(chosen(query({}, { to: 'sin' }), pool, knowing())).toBe('s1')
    expect(chosen(query({}, { to: 'h1' }), pool, knowing())).toBe('h1')
    expect(chosen(query({}, { not: 'h1' }), pool, knowing())).toBe('s1')
  })

  test('counts the tasks of a node for the worker that has them', () => {
    const workers = [
      { selects: parseSelector('kind=play'), slots: 1, capacity: {} },
      { selects: parseSelector('kind=record'), slots: 1, capacity: {} },
    ]
    const playing = { ...node('h1'), workers, granted: new Map([['x', { labels: { kind: 'play' }, needs: {} }]]) }
    expect(chosen(query(), [playing], knowing())).toBe('h1')
    expect(rejected(query({}, { labels: { kind: 'play' } }), [playing], knowing())).toEqual({ h1: 'is full: 1 tasks for 1 slots' })
  })

  test('leaves out who is not surely alive, with the verdict', () => {
    expect(rejected(query(), [node('h1'), node('s1', { site: 'sin' })], knowing({ h1: 'suspect' }))).toEqual({ h1: 'is suspect', s1: '' })
  })

  test('knows what nobody could ever run', () => {
    const busy = node('h1', { granted: 4, capacity: { gpu: 1 } })
    const fault = (wanted: PlacementQuery, by = busy): string | undefined => lastingFault(wanted, by, parseSelector(wanted.task.nodes))
    expect(fault(query({ needs: { gpu: 1 } }))).toBeUndefined()
    expect(fault(query({ needs: { gpu: 2 } }))).toBe('has 1 gpu, and it needs 2')
    expect(fault(query({ site: 'nrt' }))).toBe('is not of site nrt')
    expect(fault(query({ nodes: 'disk=ssd' }))).toBe('its labels are not disk=ssd')
    expect(fault(query(), { ...busy, workers: [] })).toBe('has no worker')
    const workers = [{ selects: parseSelector('kind=record'), slots: 1, capacity: {} }]
    expect(fault(query({}, { labels: { kind: 'play' } }), { ...busy, workers })).toBe('none of its workers takes tasks with these labels')
  })
})
