import { SeededRandom } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { meanOf, quantileOf } from '../statistics.ts'
import { DELAY_MS, SPREAD_MS, TRUTH } from './known-link.ts'

test('what follows from the settings of the link is what comes out when its packets are drawn', () => {
  const random = new SeededRandom(1)
  const way = (): number => DELAY_MS + SPREAD_MS * (2 * random.float() - 1)
  const ways = Array.from({ length: 100_000 }, way)
  const trips = Array.from({ length: 100_000 }, () => way() + way())
  const jitter = (delays: readonly number[]): number | null =>
    meanOf(delays.slice(1).map((delay, index) => Math.abs(delay - delays[index]!)))
  expect(quantileOf(trips, 0.5)).toBeCloseTo(TRUTH.rttMsP50, 1)
  expect(quantileOf(trips, 0.99)).toBeCloseTo(TRUTH.rttMsP99, 1)
  expect(jitter(ways)).toBeCloseTo(TRUTH.jitterMsOneWay, 1)
  expect(jitter(trips)).toBeCloseTo(TRUTH.jitterMsRoundTrip, 1)
})
