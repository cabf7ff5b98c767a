import { instant } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HISTOGRAM_ERROR_RATIO, LogHistogram } from './log-histogram.ts'
import { RotatingHistogram } from './rotating-histogram.ts'

describe('LogHistogram', () => {
  it('errs by no more than it states', () => {
    const samples = fc.array(fc.double({ min: 0.06, max: 50_000, noNaN: true }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(samples, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, quantile) => {
        const histogram = new LogHistogram()
        for (const value of values) histogram.add(value)
        const sorted = values.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1] as number
        const error = Math.abs((histogram.quantile(quantile) as number) - exact) / exact
        expect(error).toBeLessThanOrEqual(HISTOGRAM_ERROR_RATIO + 1e-9)
      }),
    )
  })

  it('bounds what is out of range, and is null when empty', () => {
    const histogram = new LogHistogram()
    expect(histogram.quantile(0.5)).toBeNull()
    histogram.add(0)
    histogram.add(1e9)
    expect(histogram.quantile(0.5)).toBe(0.05)
    expect(histogram.quantile(1)).toBeLessThanOrEqual(60_000)
  })
})

describe('RotatingHistogram', () => {
  it('covers the last 30 to 60 s', () => {
    const histogram = new RotatingHistogram()
    for (let at = 0; at < 30_000; at += 100) histogram.add(instant(at), 500)
    for (let at = 30_000; at < 60_000; at += 100) histogram.add(instant(at), 5)
    expect(histogram.quantile(instant(59_000), 0.99)).toBeGreaterThan(450)
    expect(histogram.quantile(instant(60_001), 0.99)).toBeLessThan(6)
    expect(histogram.quantile(instant(200_000), 0.99)).toBeNull()
  })
})
