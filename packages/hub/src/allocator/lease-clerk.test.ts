import { type RecordView, type TaskRecord, TASK_COLLECTIONS, instant } from '@causeway/protocol'
import { TaskIndex, type Renewed } from '@causeway/node'
import { expect, test } from 'vitest'
import type { Allocator } from './allocator.ts'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import { LeaseClerk } from './lease-clerk.ts'

const { tasks, grants } = TASK_COLLECTIONS
const RECORD: TaskRecord = {
  ...{ desired: { spec: { channel: 7 }, generation: 1 }, policy: 'at-least-one', convergeKey: null, needs: {}, nodes: '' },
  ...{ site: null, near: null, createdAt: 500, token: 4 },
}

function record(key: string, value: object): RecordView {
  return { key, partition: 'site-1', value: value as RecordView['value'], labels: {}, revision: 'r', writer: 'core-1', asOf: 1_000 }
}

test('what there is to do is not told of a task that has left nothing but traces', () => {
  const index = new TaskIndex()
  const clerk = new LeaseClerk({ index } as AllocatorSurroundings, {} as Allocator)
  const told = (): Renewed['tasks'] => {
    let answer: Renewed | undefined
    clerk.renew(instant(0), 'a', { type: 'renew', number: 1, leases: [], ended: [], wanted: ['t'] }, (_now, renewed) => (answer = renewed))
    return answer?.tasks ?? []
  }
  expect(told()).toEqual([])
  index.take(tasks, 't', 'site-1', record('t', RECORD))
  expect(told()).toMatchObject([{ id: 't', spec: { channel: 7 }, policy: 'at-least-one', generation: 1 }])
  // This hub has ended it; one that did not hear of that has granted it to `a`, which has not arrived here.
  const gone = { phase: 'gone', token: 4, node: null, reason: 'stopped', goal: null, to: null, conditions: [] }
  index.take(tasks, 't', 'site-1', undefined)
  index.take(grants, 't@core-2', 'site-1', record('t@core-2', gone))
  expect(index.get('t')).toMatchObject({ phase: 'gone', spec: null, generation: 0 })
  expect(told()).toEqual([])
})
