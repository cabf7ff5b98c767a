import { LIMITS, type RecordView, SeededRandom, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Journal, type JournalChange, type JournalEntry, type JournalLimits } from './journal.ts'

function record(key: string, value: unknown = 1): RecordView {
  return { key, partition: 'p', value, labels: {}, revision: 'r', writer: 'w', asOf: 0 }
}

function change(key: string, at: number, value?: unknown): JournalChange {
  return { collection: 'c', change: 'ADDED', record: record(key, value), previous: undefined, at: instant(at), wallMs: 1_000_000 + at }
}

function journalOf(limits: Partial<JournalLimits> = {}): Journal {
  return new Journal({ ...LIMITS, ...limits }, new SeededRandom(1), 1_000_000)
}

const keys = (changes: readonly JournalEntry[] | undefined) =>
  changes?.map((entry) => ('record' in entry ? entry.record.key : entry.partition))

describe('journal', () => {
  it('gives what came after a position, and nothing for a place it does not know', () => {
    const journal = journalOf()
    expect(journal.after(0)).toEqual([])
    for (const key of ['a', 'b', 'c']) journal.add(change(key, 1))
    expect(journal.end).toBe(3)
    expect(keys(journal.after(0))).toEqual(['a', 'b', 'c'])
    expect(keys(journal.after(2))).toEqual(['c'])
    expect(keys(journal.after(3))).toEqual([])
    journal.add({ change: 'UNSYNCED', collection: 'c', partition: 'p', at: instant(2), wallMs: 1_000_002 })
    expect(keys(journal.after(2))).toEqual(['c', 'p'])
    for (const wrong of [-1, 5, 1.5, Number.NaN]) expect(journal.after(wrong)).toBeUndefined()
  })

  it('keeps so many, and says so when asked for more', () => {
    const journal = journalOf({ journalChangesMax: 3 })
    for (let n = 1; n <= 5_000; n++) journal.add(change(`k${n}`, n))
    expect(journal.end).toBe(5_000)
    expect(keys(journal.after(4_997))).toEqual(['k4998', 'k4999', 'k5000'])
    expect(journal.after(4_996)).toBeUndefined()
    expect(journal.sinceMs).toBe(1_000_000 + 4_997)
  })

  it('keeps so many bytes: a large record pushes out many small ones', () => {
    const journal = journalOf({ journalBytesMax: 100_000 })
    for (let n = 0; n < 100; n++) journal.add(change(`k${n}`, 1, { text: 'x'.repeat(100) }))
    expect(journal.after(0)).toHaveLength(100)
    journal.add(change('large', 2, ['y'.repeat(45_000)]))
    expect(journal.bytes).toBeLessThanOrEqual(100_000)
    expect(journal.after(0)).toBeUndefined()
    expect(journal.after(100)).toHaveLength(1)
  })

  it('keeps nothing for longer than it may', () => {
    const journal = journalOf({ journalMs: 1_000 })
    journal.add(change('a', 0))
    journal.add(change('b', 900))
    journal.trim(instant(1_500))
    expect(journal.after(0)).toBeUndefined()
    expect(keys(journal.after(1))).toEqual(['b'])
    journal.trim(instant(5_000))
    expect(journal.after(1)).toBeUndefined()
    expect(journal.after(2)).toEqual([])
    expect(journal.bytes).toBe(0)
  })

  it('tells the history of one record', () => {
    const journal = journalOf()
    for (const key of ['a', 'b', 'a']) journal.add(change(key, 1))
    journal.add({ ...change('a', 1), collection: 'other' })
    expect(journal.history('c', 'p', 'a')).toHaveLength(2)
    expect(journal.history('c', 'q', 'a')).toEqual([])
  })

  it('is another one in each process', () => {
    const random = new SeededRandom(7)
    expect(new Journal(LIMITS, random, 0).id).not.toBe(new Journal(LIMITS, random, 0).id)
  })
})
