/**
 * What every store must do (driver contract, rule 7): tickets become durable in order, each wholly or not at all,
 * and `persisted` is said only of what a later `reopen` will find.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StoreEffect, StoreEntry } from '@causeway/protocol'

export interface StoreUnderTest {
  /** What was stored when it was opened, in the order of the keys. */
  readonly entries: readonly StoreEntry[]
  /** Tickets reported `persisted` so far, in order. */
  readonly persisted: readonly number[]
  persist(effect: StoreEffect): void
}

export interface StoreHarness {
  /** Opens it; a second call closes it in good order first. */
  reopen(): Promise<StoreUnderTest>
  waitFor(condition: () => boolean, what: string): Promise<void>
  stop(): Promise<void>
}

export function describeStoreContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`store contract: ${name}`, () => {
    let harness: StoreHarness
    beforeEach(async () => {
      harness = await makeHarness()
    })
    afterEach(async () => {
      await harness.stop()
    })

    it('is empty at first', async () => {
      expect((await harness.reopen()).entries).toEqual([])
    })

    it('reports tickets in order and keeps their entries in the order of the keys', async () => {
      const store = await harness.reopen()
      store.persist(ticket(1, { b: [2], a: [1] }))
      store.persist(ticket(2, { 'c/1': [3, 3], 'c/10': [4] }))
      store.persist(ticket(3, { 'c/2': [] }))
      await harness.waitFor(() => store.persisted.length === 3, 'three tickets')
      expect(store.persisted).toEqual([1, 2, 3])
      expect((await harness.reopen()).entries).toEqual([
        entry('a', [1]),
        entry('b', [2]),
        entry('c/1', [3, 3]),
        entry('c/10', [4]),
        entry('c/2', []),
      ])
    })

    it('lets a later ticket win, and deletes', async () => {
      const store = await harness.reopen()
      store.persist(ticket(1, { a: [1], b: [1] }))
      store.persist(ticket(2, { a: [2] }))
      store.persist({
        type: 'persist',
        ticket: 3,
        entries: [
          { key: 'b', value: undefined },
          { key: 'never', value: undefined },
        ],
      })
      await harness.waitFor(() => store.persisted.length === 3, 'three tickets')
      expect((await harness.reopen()).entries).toEqual([entry('a', [2])])
    })

    it('applies the entries of one ticket in order', async () => {
      const store = await harness.reopen()
      store.persist({ type: 'persist', ticket: 1, entries: [entry('a', [1]), { key: 'a', value: undefined }, entry('a', [2])] })
      await harness.waitFor(() => store.persisted.length === 1, 'the ticket')
      expect((await harness.reopen()).entries).toEqual([entry('a', [2])])
    })

    it('deletes for good, and takes the key again', async () => {
      const store = await harness.reopen()
      store.persist(ticket(1, { a: [1], b: [2] }))
      store.persist({ type: 'persist', ticket: 2, entries: [{ key: 'a', value: undefined }] })
      await harness.waitFor(() => store.persisted.length === 2, 'two tickets')
      const again = await harness.reopen()
      expect(again.entries).toEqual([entry('b', [2])])
      again.persist(ticket(1, { a: [3] }))
      await harness.waitFor(() => again.persisted.length === 1, 'the ticket of the second life')
      expect((await harness.reopen()).entries).toEqual([entry('a', [3]), entry('b', [2])])
    })

    it('keeps whole what one ticket brings, whatever its size', async () => {
      const store = await harness.reopen()
      const entries = Array.from({ length: 3_000 }, (_, index) => entry(key(index), [index & 0xff, index >> 8]))
      store.persist({ type: 'persist', ticket: 1, entries })
      await harness.waitFor(() => store.persisted.length === 1, 'the ticket')
      expect((await harness.reopen()).entries).toEqual(entries)
    })

    it('does what is asked of it while it works on something else', async () => {
      const store = await harness.reopen()
      let asked = 0
      // Each ticket is asked for when one before it is done, so that they meet a store at work.
      const more = (): void => {
        while (asked < 300 && asked < 2 * store.persisted.length + 5)
          store.persist(ticket(++asked, { [key(asked % 7)]: [asked & 0xff], last: [asked & 0xff] }))
      }
      more()
      await harness.waitFor(() => {
        more()
        return store.persisted.length === 300
      }, 'all tickets')
      const { entries } = await harness.reopen()
      expect(entries.at(-1)).toEqual(entry('last', [300 & 0xff]))
      expect(entries.slice(0, 7)).toEqual([294, 295, 296, 297, 298, 299, 300].map((number) => entry(key(number % 7), [number & 0xff])))
    })

    it('takes a copy: what the caller does to the bytes later changes nothing', async () => {
      const store = await harness.reopen()
      const value = Uint8Array.of(1, 2, 3)
      store.persist({ type: 'persist', ticket: 1, entries: [{ key: 'a', value }] })
      value.fill(9)
      await harness.waitFor(() => store.persisted.length === 1, 'the ticket')
      expect((await harness.reopen()).entries).toEqual([entry('a', [1, 2, 3])])
    })

    it('keeps many tickets of one turn, and large values', async () => {
      const store = await harness.reopen()
      for (let number = 1; number <= 500; number++) store.persist(ticket(number, { [key(number)]: [number & 0xff] }))
      store.persist({ type: 'persist', ticket: 501, entries: [{ key: 'large', value: new Uint8Array(2_000_000).fill(7) }] })
      store.persist({ type: 'persist', ticket: 502, entries: [] })
      await harness.waitFor(() => store.persisted.length === 502, 'all tickets')
      expect(store.persisted).toEqual(Array.from({ length: 502 }, (_, index) => index + 1))
      const { entries } = await harness.reopen()
      expect(entries).toHaveLength(501)
      expect(entries[41]).toEqual(entry(key(42), [42]))
      expect(entries[500]?.value?.length).toBe(2_000_000)
    })
  })
}

function key(number: number): string {
  return `key/${String(number).padStart(5, '0')}`
}

function entry(name: string, bytes: readonly number[]): StoreEntry {
  return { key: name, value: Uint8Array.from(bytes) }
}

function ticket(number: number, values: Readonly<Record<string, readonly number[]>>): StoreEffect {
  return { type: 'persist', ticket: number, entries: Object.entries(values).map(([name, bytes]) => entry(name, bytes)) }
}
