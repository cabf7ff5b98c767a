import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DelayBuckets } from './delay-buckets.ts'

test('bounds double from 50 µs to 52 s', () => {
  const { boundsMs, counts } = new DelayBuckets().snapshot()
  expect(boundsMs[0]).toBe(0.05)
  expect(boundsMs.at(-1)).toBeCloseTo(52_428.8, 6)
  for (const [index, bound] of boundsMs.slice(1).entries()) expect(bound).toBe(2 * (boundsMs[index] ?? 0))
  expect(counts).toHaveLength(boundsMs.length + 1)
})

test('a delay counts in the first bucket whose bound is not below it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 200_000, noNaN: true }), (ms) => {
      const buckets = new DelayBuckets()
      buckets.add(ms)
      const { boundsMs, counts, sumMs, count } = buckets.snapshot()
      const found = boundsMs.findIndex((bound) => ms <= bound * (1 + 1e-9))
      expect(counts.indexOf(1)).toBe(found === -1 ? boundsMs.length : found)
      expect({ sumMs, count }).toEqual({ sumMs: ms, count: 1 })
    }),
  )
})

test('each bound belongs to its own bucket', () => {
  const buckets = new DelayBuckets()
  for (const bound of buckets.snapshot().boundsMs) buckets.add(bound)
  expect(buckets.snapshot().counts).toEqual([...Array.from({ length: 21 }, () => 1), 0])
})

test('counts and sum only grow, and a snapshot does not change any more', () => {
  const buckets = new DelayBuckets()
  buckets.add(1)
  const before = buckets.snapshot()
  buckets.add(-0.001)
  buckets.add(60_000)
  const after = buckets.snapshot()
  expect(before).toMatchObject({ count: 1, sumMs: 1 })
  expect(after).toMatchObject({ count: 3, sumMs: 60_001 })
  expect(after.counts[0]).toBe(1)
  expect(after.counts.at(-1)).toBe(1)
  expect(after.counts.reduce((sum, each) => sum + each, 0)).toBe(after.count)
})

test('what was not measured is a bug to count', () => {
  expect(() => new DelayBuckets().add(Number.NaN)).toThrow('must not be counted')
})
