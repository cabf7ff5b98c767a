import type { WatchEvent } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Collections, type RecordPlace } from './collections.ts'
import { Lab, WALL_MS } from './replica-lab.ts'
import type { WriteOutcome } from './replica-contract.ts'

function world() {
  const lab = new Lab(1)
  const node = lab.add('a')
  const collections = new Collections({
    replica: node.replica,
    submit: (input) => node.input(input),
    random: lab.random,
    now: lab.now,
    wallOffsetMs: WALL_MS,
  })
  const handle = node.replica.handle.bind(node.replica)
  node.replica.handle = (now, input) => collections.take(now, handle(now, input))
  const outcomes: WriteOutcome[] = []
  return { lab, collections, outcomes, done: (outcome: WriteOutcome) => void outcomes.push(outcome) }
}

const place = (key: string): RecordPlace => ({ collection: 'tasks', partition: 'hkg-1', key })
const names = (events: readonly WatchEvent[]) =>
  events.map((event) => ('record' in event ? `${event.type} ${event.record.key}` : event.type))

describe('collections', () => {
  it('answer a write when it is durable and everybody who watches has been told', () => {
    const { lab, collections } = world()
    const order: string[] = []
    collections.watch({ collection: 'tasks' }, (event) => order.push(event.type))
    collections.put(place('a'), { n: 1 }, (outcome) => order.push(`${outcome.ok} ${collections.get(place('a')) !== undefined}`))
    expect(order).toEqual(['BOOKMARK'])
    lab.run(100)
    expect(order).toEqual(['BOOKMARK', 'ADDED', 'true true'])
  })

  it('put, create, update, patch, delete, and say why not', () => {
    const { lab, collections, outcomes, done } = world()
    collections.update(place('a'), 0, done)
    collections.create(place('a'), { n: 1, old: true }, done, { labels: { kind: 'x' } })
    collections.create(place('a'), { n: 2 }, done)
    collections.patch(place('a'), { m: 2, old: null }, done, { labels: { tier: 'gold' } })
    collections.put(place('b'), 'text', done, { revision: 'none' })
    lab.run(100)
    expect(outcomes.map((outcome) => String(outcome.ok || outcome.code)).toSorted()).toEqual([
      'conflict',
      'conflict',
      'not-found',
      'true',
      'true',
    ])
    expect(collections.get(place('a'))).toMatchObject({ value: { n: 1, m: 2 }, labels: { kind: 'x', tier: 'gold' } })
    collections.delete(place('a'), done)
    lab.run(100)
    expect(collections.get(place('a'))).toBeUndefined()
  })

  it('write several records or none', () => {
    const { lab, collections, outcomes, done } = world()
    const put = (key: string) => ({ key, operation: { type: 'put', value: 1 } as const })
    collections.write('tasks', 'hkg-1', [put('a'), { key: 'b', operation: { type: 'update', value: 1 } }], done)
    lab.run(100)
    expect(outcomes).toMatchObject([{ ok: false, code: 'not-found' }])
    expect(collections.list({ collection: 'tasks' }).items).toEqual([])
    collections.write('tasks', 'hkg-1', [put('a'), put('b')], done)
    lab.run(100)
    expect(outcomes[1]).toMatchObject({ ok: true, items: [{ key: 'a' }, { key: 'b' }] })
    expect(collections.list({ collection: 'tasks', partition: 'hkg-1' }).items).toHaveLength(2)
  })

  it('tell a watch with a selector what begins and what ceases to match', () => {
    const { lab, collections, done } = world()
    const events: WatchEvent[] = []
    const label = (key: string, kind: string) => {
      collections.put(place(key), 1, done, { labels: { kind } })
      lab.run(100)
    }
    label('a', 'x')
    label('b', 'y')
    const stop = collections.watch({ collection: 'tasks', selector: 'kind in (x)' }, (event) => void events.push(event))
    label('b', 'y')
    label('a', 'x')
    label('a', 'y')
    label('b', 'x')
    stop()
    label('b', 'x')
    expect(names(events)).toEqual(['ADDED a', 'BOOKMARK', 'MODIFIED a', 'DELETED a', 'ADDED b'])
    expect(() => collections.watch({ collection: 'tasks', selector: '=' }, () => {})).toThrow('not understood')
  })

  it('tell the history of a record, and that a record has expired', () => {
    const { lab, collections, done } = world()
    collections.put(place('a'), 1, done)
    lab.run(100)
    collections.put(place('a'), 2, done, { ttlMs: 5_000 })
    lab.run(100)
    lab.run(10_000)
    expect(collections.get(place('a'))).toBeUndefined()
    const { items, since } = collections.history(place('a'))
    expect(items.map(({ type, record }) => `${type} ${JSON.stringify(record.value)}`)).toEqual(['ADDED 1', 'MODIFIED 2', 'DELETED 2'])
    expect(items[0]!.at).toBeGreaterThanOrEqual(since)
    expect(items[0]!.at).toBeGreaterThan(WALL_MS)
  })
})
