import { describe, expect, it } from 'vitest'
import { DelayDistribution } from './delay-distribution.ts'
import { HISTOGRAM_ERROR_RATIO } from './log-histogram.ts'

describe('DelayDistribution', () => {
  it('has nothing to say of nothing', () => {
    const nothing = { last: null, min: null, avg: null, p50: null, p95: null, p99: null, max: null, stddev: null }
    expect(new DelayDistribution().summary()).toEqual(nothing)
  })

  it('is exact for few', () => {
    const delays = new DelayDistribution()
    for (const delay of [4, 1, 3, 2]) delays.add(delay)
    expect(delays.summary()).toEqual({ last: 2, min: 1, avg: 2.5, p50: 2, p95: 4, p99: 4, max: 4, stddev: Math.sqrt(1.25) })
    delays.add(0.5)
    expect(delays.summary()).toMatchObject({ last: 0.5, min: 0.5, p50: 2 })
  })

  it('stays within its error for many, and exact where it can', () => {
    const delays = new DelayDistribution()
    for (let i = 1; i <= 100_000; i++) delays.add(((i * 7919) % 100_000) / 1000 + 1)
    const { min, max, avg, p50, p95, p99 } = delays.summary()
    expect({ min, max }).toEqual({ min: 1, max: 100.999 })
    expect(avg).toBeCloseTo(50.9995, 6)
    for (const [measured, truth] of [
      [p50, 51],
      [p95, 96],
      [p99, 100],
    ] as const) {
      expect(Math.abs((measured ?? 0) - truth) / truth).toBeLessThan(HISTOGRAM_ERROR_RATIO + 0.001)
    }
  })
})
