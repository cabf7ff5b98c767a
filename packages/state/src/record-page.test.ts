import type { RecordView } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PageQuery, type RecordReader, readPage } from './record-page.ts'
import { parseSelector } from './selector.ts'

type Place = readonly [partition: string, key: string]

function readerOf(places: readonly Place[]): RecordReader {
  const sorted = [...new Set(places.map(([, key]) => key))].sort()
  return {
    partitionsOf: () => [...new Set(places.map(([partition]) => partition))].sort(),
    list: (_collection, partition) =>
      sorted.filter((key) => places.some((place) => place[0] === partition && place[1] === key)).map((key) => recordOf([partition, key])),
  }
}

function recordOf([partition, key]: Place): RecordView {
  return { key, partition, value: 1, labels: { odd: String(key.length % 2) }, revision: 'r', writer: 'w', asOf: 0 }
}

const names = (items: readonly RecordView[]) => items.map(({ partition, key }) => `${partition}:${key}`)
const query = (more: Partial<PageQuery> = {}): PageQuery => ({ collection: 'c', ...more })

describe('pages', () => {
  const reader = readerOf([
    ['b', 'x'],
    ['a', 'k|2'],
    ['a', 'k1'],
    ['b', '"'],
    ['c', 'z'],
  ])

  it('are by partition and key, and the token of the first holds for all', () => {
    const first = readPage(reader, query({ limit: 2 }), 't1')
    expect(names(first.items)).toEqual(['a:k1', 'a:k|2'])
    const second = readPage(reader, query({ limit: 2, continue: first.continue! }), 't2')
    expect(names(second.items)).toEqual(['b:"', 'b:x'])
    const third = readPage(reader, query({ limit: 2, continue: second.continue! }), 't3')
    expect(names(third.items)).toEqual(['c:z'])
    expect([first.token, second.token, third.token]).toEqual(['t1', 't1', 't1'])
    expect(third.continue).toBeUndefined()
  })

  it('end without a promise of more when nothing more is selected', () => {
    const page = readPage(reader, query({ limit: 2, selector: parseSelector('odd=0') }), 't')
    expect(names(page.items)).toEqual(['a:k1'])
    expect(page.continue).toBeUndefined()
    expect(readPage(reader, query({ limit: 5 }), 't').continue).toBeUndefined()
  })

  it('end when they have become large, but not before the first record', () => {
    const first = readPage(reader, query({ bytesMax: 1 }), 't')
    expect(names(first.items)).toEqual(['a:k1'])
    expect(names(readPage(reader, query({ bytesMax: 1, continue: first.continue! }), 't').items)).toEqual(['a:k|2'])
    expect(readPage(reader, query({ bytesMax: 100_000 }), 't').items).toHaveLength(5)
  })

  it.each(['', '{', '[]', '["a","b"]', '["a",1,"t"]', 'null', '[["a"],"b","t"]'])('refuse to go on from %s', (text) => {
    expect(() => readPage(reader, query({ continue: text }), 't')).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it('list what stays exactly once, whatever is written meanwhile', () => {
    const place = fc.tuple(fc.constantFrom('a', 'b', 'b/c'), fc.string({ minLength: 1, maxLength: 3 }))
    const states = fc.array(fc.array(place, { maxLength: 8 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.array(place, { maxLength: 12 }), states, fc.integer({ min: 1, max: 4 }), (stays, others, limit) => {
        const seen: string[] = []
        let next: string | undefined
        for (let turn = 0; turn < 100; turn++) {
          const now = readerOf([...stays, ...(others[turn % others.length] ?? [])])
          const page = readPage(now, query({ limit, ...(next !== undefined && { continue: next }) }), `t${turn}`)
          expect(page.items.length).toBeLessThanOrEqual(limit)
          seen.push(...names(page.items))
          next = page.continue
          if (next === undefined) break
        }
        expect(next).toBeUndefined()
        expect(new Set(seen).size).toBe(seen.length)
        for (const name of names(stays.map(recordOf))) expect(seen).toContain(name)
      }),
    )
  })
})
