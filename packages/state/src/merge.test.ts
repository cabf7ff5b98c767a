import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Random, SeededRandom } from '@causeway/protocol'
import { type Batch } from './batch.ts'
import { Documents } from './documents.ts'
import { markContent, patchContent, putContent } from './entry.ts'
import { AHEAD_MS_MAX, HybridClock } from './hybrid-clock.ts'
import { Interest, isPartition, isPattern, matchesInterest } from './interest.ts'
import { LAB_AUTHORITY, labCredential, labCredentials, labCrypto } from './replica-lab.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import { compareStamps, revisionOf } from './stamp.ts'
import type { WriterCredential } from './writer-credentials.ts'

const WRITERS = ['a', 'b', 'c']
const write = fc.record({
  writer: fc.nat({ max: 2 }),
  key: fc.nat({ max: 2 }),
  ms: fc.nat({ max: 3 }),
  kind: fc.constantFrom('put', 'put', 'mark', 'patch', 'patch'),
  /** A new log, or a fold of all that is there. */
  log: fc.constantFrom('same', 'same', 'same', 'new', 'fold'),
})
type Write = typeof write extends fc.Arbitrary<infer Value> ? Value : never
const NAME = { collection: 'tasks', partition: 'hkg-1' }

/** Batches of three writers that know nothing of each other. */
function batchesOf(writes: readonly Write[]): Batch[] {
  const documents = WRITERS.map((writer) => new ReplicatedDocument({ ...NAME, writer }, labCrypto(writer), labCredentials()))
  const own = WRITERS.map((writer) => credentialOf(writer))
  const epochs = [1, 1, 1]
  return writes.flatMap(({ writer, key, ms, kind, log }, counter) => {
    const document = documents[writer]!
    if (log !== 'same') epochs[writer]! += 1
    const folded = log === 'fold' && document.size > 0 ? document.fold(epochs[writer]!, own[writer]!) : []
    const head = { key: `k${key}`, ms: 100 * counter + ms, counter: ms }
    const fields = [{ name: `f${counter % 3}`, ms: head.ms, counter: ms, value: counter % 2 ? counter : undefined }]
    const born = { ms: 0, counter: 0 }
    const content = {
      put: putContent(head, { f0: counter, g: 1 }, {}, born),
      mark: markContent(head),
      patch: patchContent(head, born, fields, []),
    }
    return [...folded, document.write(epochs[writer]!, own[writer]!, [content[kind]])].map(({ batch }) => batch)
  })
}

function credentialOf(writer: string): WriterCredential {
  const credential = labCredentials().check(labCredential(writer))
  if (typeof credential === 'string') throw new Error(credential)
  return credential
}

/** What a replica shows that got the batches in this order, asking again for what did not fit. */
function hashAfter(batches: readonly Batch[], random: Random): string {
  const crypto = labCrypto(LAB_AUTHORITY)
  const documents = new Documents(crypto, labCredentials())
  let waiting = [...batches]
  while (waiting.length > 0) {
    const left = waiting.filter((batch) => {
      const document = documents.getOrCreate(batch)
      const acceptance = document.accept(batch)
      if (acceptance.type === 'bad') throw new Error(acceptance.reason)
      if (acceptance.type !== 'applied') return acceptance.type === 'gap'
      const partition = documents.partitionOf(document)
      const { keys } = documents.settle(partition, [document])
      for (const key of [...acceptance.changed, ...keys]) partition.show(key, partition.merged(key), 0)
      documents.becameDurable(document, batch.epoch, batch.seq)
      if (random.float() < 0.5) documents.dropReplaced(document)
      return false
    })
    expect(left.length).toBeLessThan(waiting.length)
    waiting = left
  }
  return documents.partition('tasks', 'hkg-1')?.contentHash(crypto) ?? ''
}

describe('merge', () => {
  it('gives the same for every order and any number of repeats', () => {
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 15 }), fc.nat(), (writes, seed) => {
        const batches = batchesOf(writes)
        const random = new SeededRandom(seed)
        const order = [...batches, ...batches].map((batch) => ({ batch, at: random.float() })).sort((a, b) => a.at - b.at)
        expect(
          hashAfter(
            order.map(({ batch }) => batch),
            random,
          ),
        ).toBe(hashAfter(batches, random))
      }),
      { numRuns: 400 },
    )
  })

  it('tells different content apart', () => {
    const one: Write = { writer: 0, key: 0, ms: 0, kind: 'put', log: 'same' }
    const hashes = [
      [one],
      [{ ...one, key: 1 }],
      [{ ...one, writer: 1 }],
      [{ ...one, kind: 'mark' as const }],
      [{ ...one, ms: 1 }],
      [one, one],
    ].map((w) => hashAfter(batchesOf(w), new SeededRandom(1)))
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
