import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Batch } from './batch.ts'
import { Documents } from './documents.ts'
import { AHEAD_MS_MAX, HybridClock } from './hybrid-clock.ts'
import { Interest, isPartition, isPattern, matchesInterest } from './interest.ts'
import { labCrypto } from './replica-lab.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import { compareStamps, revisionOf } from './stamp.ts'

const WRITERS = ['a', 'b', 'c']
const write = fc.record({
  writer: fc.nat({ max: 2 }),
  key: fc.nat({ max: 2 }),
  ms: fc.nat({ max: 3 }),
  deleted: fc.boolean(),
  newEpoch: fc.boolean(),
})
const NAME = { collection: 'tasks', partition: 'hkg-1' }

/** Batches of three writers that know nothing of each other. */
function batchesOf(writes: readonly { writer: number; key: number; ms: number; deleted: boolean; newEpoch: boolean }[]): Batch[] {
  const documents = WRITERS.map((writer) => new ReplicatedDocument({ ...NAME, writer }, labCrypto))
  const epochs = [1, 1, 1]
  return writes.map(({ writer, key, ms, deleted, newEpoch }, counter) => {
    if (newEpoch) epochs[writer]! += 1
    const entry = { key: `k${key}`, deleted, value: deleted ? null : counter, labels: {}, ms: 100 * counter + ms, counter: ms }
    return documents[writer]!.write(epochs[writer]!, [entry]).batch
  })
}

/** What a replica shows that got the batches in this order, asking again for what did not fit. */
function hashAfter(batches: readonly Batch[]): string {
  const documents = new Documents(labCrypto)
  let waiting = [...batches]
  while (waiting.length > 0) {
    const left = waiting.filter((batch) => {
      const document = documents.getOrCreate(batch)
      const acceptance = document.accept(batch)
      if (acceptance.type !== 'applied') return acceptance.type === 'gap'
      const partition = documents.partitionOf(document)
      for (const key of acceptance.changed) partition.show(partition.winner(key)!)
      return false
    })
    expect(left.length).toBeLessThan(waiting.length)
    waiting = left
  }
  return documents.partition('tasks', 'hkg-1')?.contentHash(labCrypto) ?? ''
}

describe('merge', () => {
  it('gives the same for every order and any number of repeats', () => {
    const orders = fc
      .array(write, { minLength: 1, maxLength: 15 })
      .chain((writes) =>
        fc.tuple(fc.constant(writes), fc.shuffledSubarray([...writes.keys(), ...writes.keys()], { minLength: 2 * writes.length })),
      )
    fc.assert(
      fc.property(orders, ([writes, order]) => {
        const batches = batchesOf(writes)
        expect(hashAfter(order.map((at) => batches[at]!))).toBe(hashAfter(batches))
      }),
      { numRuns: 150 },
    )
  })

  it('tells different content apart', () => {
    const one = { writer: 0, key: 0, ms: 0, deleted: false, newEpoch: false }
    const hashes = [[one], [{ ...one, key: 1 }], [{ ...one, writer: 1 }], [{ ...one, deleted: true }], [{ ...one, ms: 1 }], [one, one]].map(
      (w) => hashAfter(batchesOf(w)),
    )
    expect(new Set(hashes).size).toBe(6)
  })
})

describe('stamps', () => {
  it('are ordered by time, counter, writer, epoch', () => {
    const base = { ms: 5, counter: 5, writer: 'b', epoch: 5 }
    const rising = [{ ...base, ms: 4, counter: 9 }, { ...base, counter: 4, writer: 'z' }, { ...base, writer: 'a', epoch: 9 }, base, { ...base, epoch: 6 }, { ...base, writer: 'c', epoch: 1 }, { ...base, counter: 6, writer: 'a' }, { ...base, ms: 6, counter: 0 }] // prettier-ignore
    for (const [i, a] of rising.entries())
      for (const [j, b] of rising.entries()) expect(Math.sign(compareStamps(a, b))).toBe(Math.sign(i - j))
    expect(new Set(rising.map(revisionOf)).size).toBe(rising.length)
  })
})

describe('hybrid clock', () => {
  it('only goes forward, whatever the wall clock does, and follows what it sees', () => {
    const clock = new HybridClock()
    expect(clock.tick(1_000.7)).toEqual({ ms: 1_000, counter: 0 })
    expect(clock.tick(1_000.9)).toEqual({ ms: 1_000, counter: 1 })
    expect(clock.tick(10)).toEqual({ ms: 1_000, counter: 2 })
    expect(clock.receive({ ms: 5_000, counter: 7 }, 1_000)).toBe(true)
    expect(clock.tick(1_000)).toEqual({ ms: 5_000, counter: 8 })
    expect(clock.receive({ ms: 4_000, counter: 99 }, 1_000)).toBe(true)
    expect(clock.tick(6_000)).toEqual({ ms: 6_000, counter: 0 })
  })

  it('is not dragged into the future', () => {
    const clock = new HybridClock()
    expect(clock.receive({ ms: 1_000 + AHEAD_MS_MAX + 1, counter: 0 }, 1_000)).toBe(false)
    expect(clock.tick(1_000)).toEqual({ ms: 1_000, counter: 0 })
    expect(clock.receive({ ms: 1_000 + AHEAD_MS_MAX, counter: 0 }, 1_000)).toBe(true)
  })
})

describe('interest', () => {
  it.each([
    ['tasks/hkg-1', 'tasks', 'hkg-1', true],
    ['tasks/hkg-1', 'tasks', 'hkg-2', false],
    ['tasks/hkg-1', 'tasks', 'hkg-1/x', false],
    ['tasks/*', 'tasks', 'hkg-1', true],
    ['tasks/*', 'tasks', 'apac/hkg-1', false],
    ['nodes/apac/*', 'nodes', 'apac/hkg-1', true],
    ['nodes/apac/**', 'nodes', 'apac', true],
    ['nodes/apac/**', 'nodes', 'apac/hkg-1/a', true],
    ['nodes/apac/**', 'nodes', 'emea/fra-1', false],
    ['*/hkg-1', 'tasks', 'hkg-1', true],
    ['config/**', 'config', 'all', true],
    ['config/**', 'tasks', 'all', false],
    ['**', 'anything', 'at/all', true],
    ['tasks', 'tasks', 'hkg-1', false],
  ])('%s for %s/%s: %s', (pattern, collection, partition, matches) => {
    expect(isPattern(pattern)).toBe(true)
    expect(matchesInterest(pattern, collection, partition)).toBe(matches)
    expect(new Interest([pattern, pattern]).matches(collection, partition)).toBe(matches)
  })

  it('knows patterns and partitions from other text', () => {
    for (const text of ['', 'a//b', '/a', 'a/', 'A/b', '**/a', 'a/**/b', 'a/b*', 'a/b/c/d/e/f', 'x'.repeat(400)])
      expect(isPattern(text)).toBe(false)
    for (const text of ['', 'a/*', 'a/b/c/d/e', '..', 'x'.repeat(64)]) expect(isPartition(text)).toBe(false)
  })
})
