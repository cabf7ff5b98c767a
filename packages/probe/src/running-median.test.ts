import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RunningMedian } from './running-median.ts'

test('is the median of the latest samples, whatever they are', () => {
  const sample = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.double({ noNaN: true }).map((each) => each + 0),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.array(sample, { maxLength: 60 }), fc.nat(60), (size, samples, restartAt) => {
      const running = new RunningMedian(size)
      expect(running.median).toBeNull()
      let from = 0
      samples.forEach((each, index) => {
        if (index === restartAt) {
          running.restart()
          from = index
        }
        running.add(each)
        const latest = samples.slice(from, index + 1).slice(-size)
        expect(running.median).toEqual(latest.toSorted((a, b) => a - b)[latest.length >> 1])
      })
    }),
  )
})
