import fc from 'fast-check'
import { expect, test } from 'vitest'
import { longestGap, percentile, sequencing, summarise } from './statistics.ts'

test('nothing measured is null, never zero', () => {
  expect(summarise([])).toEqual({ min: null, avg: null, p50: null, p95: null, p99: null, max: null })
  expect(longestGap([5])).toBeNull()
})

test('percentiles are nearest ranks', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect(summarise(hundred.toReversed())).toEqual({ min: 1, avg: 50.5, p50: 50, p95: 95, p99: 99, max: 100 })
  expect(percentile([7], 0.99)).toBe(7)
})

test('order: each number once is perfect; twice is duplicated; late is reordered', () => {
  expect(sequencing([0, 1, 2])).toEqual({ received: 3, duplicated: 0, reordered: 0 })
  expect(sequencing([0, 2, 1, 1, 3])).toEqual({ received: 4, duplicated: 1, reordered: 1 })
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(50)), fc.nat(20), (numbers, again) => {
      const repeated = [...numbers, ...numbers.slice(0, again)]
      const { received, duplicated } = sequencing(repeated)
      return received === numbers.length && duplicated === repeated.length - numbers.length
    }),
  )
})

test('the longest gap is between neighbours', () => {
  expect(longestGap([0, 10, 20, 250, 260])).toBe(230)
})
