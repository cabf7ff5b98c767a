import { describe, expect, test } from 'vitest'
import { countBound95, maxOf, meanOf, quantileOf } from './statistics.ts'

describe('statistics', () => {
  test('a quantile is a sample, and the largest one at 1', () => {
    const samples = [5, 1, 4, 2, 3]
    expect([0, 0.2, 0.5, 0.99, 1].map((q) => quantileOf(samples, q))).toEqual([1, 1, 3, 5, 5])
  })

  test('of nothing there is nothing to say', () => {
    expect([quantileOf([], 0.5), maxOf([]), meanOf([])]).toEqual([null, null, null])
  })

  /** Exact values: half the 95 % quantile of χ² with 2(count + 1) degrees of freedom. */
  test.each([
    [0, 2.9957],
    [1, 4.7439],
    [2, 6.2958],
    [10, 16.962],
    [100, 118.08],
  ])('of %i events up to %f might have been expected', (count, bound) => {
    expect(countBound95(count) / bound).toBeCloseTo(1, 2)
  })
})
