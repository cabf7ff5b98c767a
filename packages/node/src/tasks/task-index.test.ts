import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { type GrantRecord, type RecordView, type StatusRecord, TASK_COLLECTIONS, type TaskPhase, compareGrants } from '@causeway/protocol'
import { TaskIndex } from './task-index.ts'

const { tasks, grants, status } = TASK_COLLECTIONS

function record(key: string, value: unknown, labels: Record<string, string> = {}): RecordView {
  return { key, partition: 'site-1', value: value as RecordView['value'], labels, revision: 'r', writer: 'core-1', asOf: 1_000 }
}

function task(labels: Record<string, string> = {}): RecordView {
  const value = {
    ...{ desired: { spec: { n: 1 }, generation: 3 }, policy: 'sticky', convergeKey: null, needs: {}, nodes: '' },
    ...{ site: null, near: null, createdAt: 500, token: 0 },
  }
  return record('t', value, labels)
}

function grant(phase: TaskPhase, token: number, node: string | null = 'a'): GrantRecord {
  return { phase, token, node, reason: 'because', goal: null, to: null, conditions: [] }
}

describe('the index of tasks', () => {
  test('puts a task together from its records; the status counts only from who has it, under its token', () => {
    const index = new TaskIndex()
    index.take(tasks, 't', 'site-1', task({ kind: 'record' }))
    expect(index.get('t')).toMatchObject({ phase: 'initialised', token: 0, generation: 3, running: false })
    index.take(grants, 't@core-1', 'site-1', record('t@core-1', grant('allocated', 7)))
    const said: StatusRecord = {
      ...{ token: 6, state: 'running', observedGeneration: 3, progress: 0.5, status: { ok: true }, conditions: [], alone: false },
    }
    index.take(status, 't@a', 'site-1', record('t@a', said))
    expect(index.get('t')).toMatchObject({ phase: 'allocated', node: 'a', token: 7, running: false, progress: null })
    index.take(status, 't@a', 'site-1', record('t@a', { ...said, token: 7 }))
    expect(index.get('t')).toMatchObject({ running: true, progress: 0.5, observedGeneration: 3, status: { ok: true } })
    index.take(tasks, 't', 'site-1', undefined)
    index.take(grants, 't@core-1', 'site-1', undefined)
    index.take(status, 't@a', 'site-1', undefined)
    expect(index.get('t')).toBeUndefined()
    expect([...index.all()]).toEqual([])
  })

  test('of several grants the highest token holds, then the later phase, in whatever order they come', () => {
    const phases = fc.constantFrom<TaskPhase>('allocated', 'tombstone', 'initialised', 'deleting', 'gone')
    const some = fc.uniqueArray(fc.tuple(phases, fc.integer({ min: 1, max: 4 })), {
      minLength: 1,
      maxLength: 5,
      selector: ([phase, token]) => `${phase}${token}`,
    })
    fc.assert(
      fc.property(some, fc.nat(), (said, turn) => {
        const index = new TaskIndex()
        index.take(tasks, 't', 'site-1', task())
        const turned = [...said.slice(turn % said.length), ...said.slice(0, turn % said.length)]
        for (const [phase, token] of turned) index.take(grants, `t@${phase}-${token}`, 'site-1', record('g', grant(phase, token)))
        const [phase, token] =
          said.toSorted(([a, one], [b, other]) => compareGrants({ phase: b, token: other }, { phase: a, token: one }))[0] ?? []
        expect(index.get('t')).toMatchObject({ phase, token })
      }),
    )
  })

  test('lists by site and id, in pages, by label and by phase, without those that are gone', () => {
    const index = new TaskIndex()
    for (const site of ['site-2', 'site-1']) {
      for (const id of ['c', 'a', 'b']) index.take(tasks, id, site, task({ kind: id === 'b' ? 'play' : 'record', site }))
    }
    const ids = (query: Parameters<TaskIndex['list']>[0]): string[] => index.list(query).map(({ site, id }) => `${site}/${id}`)
    expect(ids({})).toEqual(['site-1/a', 'site-1/b', 'site-1/c', 'site-2/a', 'site-2/b', 'site-2/c'])
    expect(ids({ limit: 2, after: 'site-1/b' })).toEqual(['site-1/c', 'site-2/a'])
    expect(ids({ selector: 'kind=record,site!=site-1' })).toEqual(['site-2/a', 'site-2/c'])
    expect(ids({ selector: 'kind=record', after: 'site-1/c' })).toEqual(['site-2/a', 'site-2/c'])
    expect(ids({ selector: 'kind=other' })).toEqual([])
    expect(ids({ selector: 'kind in (other, play)' })).toEqual(['site-1/b', 'site-2/b'])
    expect(ids({ selector: 'kind in (record,play),site=site-1', limit: 2 })).toEqual(['site-1/a', 'site-1/b'])
    expect(ids({ selector: 'kind in (other,none),kind' })).toEqual([])
    expect(ids({ site: 'site-2', selector: '!other' })).toEqual(['site-2/a', 'site-2/b', 'site-2/c'])
    index.take(grants, 'a@core-1', 'site-1', record('a@core-1', grant('gone', 9)))
    index.take(tasks, 'a', 'site-1', undefined)
    expect(ids({ site: 'site-1' })).toEqual(['site-1/b', 'site-1/c'])
    expect(ids({ phase: 'gone' })).toEqual(['site-1/a'])
    expect(index.counts()).toMatchObject({ initialised: 5, gone: 1 })
  })

  test('takes no notice of what is not a task', () => {
    const index = new TaskIndex()
    index.take(tasks, 't', 'site-1', record('t', 42))
    index.take(tasks, 'no/id', 'site-1', task())
    index.take('config', 't', 'site-1', task())
    index.take(grants, 't@x', 'site-1', record('t@x', { phase: 'allocated', token: -1 }))
    expect([...index.all()]).toEqual([])
  })
})
