import { expect, test } from 'vitest'
import { RateCap } from './rate-cap.ts'

test('a burst passes, and what is too much waits until it is paid', () => {
  const cap = new RateCap(1_000_000)
  expect(cap.take(0, 100_000)).toBe(0)
  expect(cap.take(0, 50_000)).toBe(50)
  expect(cap.take(50, 0)).toBe(0)
  expect(cap.take(50, 1_000)).toBe(1)
})

test('over time the rate holds, however it is taken', () => {
  const cap = new RateCap(200_000)
  let [nowMs, bytes] = [0, 0]
  while (nowMs < 60_000) {
    bytes += 65_536
    nowMs += cap.take(nowMs, 65_536)
  }
  expect(bytes / nowMs).toBeGreaterThan(200)
  expect(bytes / nowMs).toBeLessThan(203)
})

test('what would rather be dropped than wait gets nothing while there is a debt', () => {
  const cap = new RateCap(1_000_000)
  expect(cap.takeIfFree(0, 101_000)).toBe(true)
  expect(cap.takeIfFree(0.5, 1)).toBe(false)
  expect(cap.takeIfFree(1, 1)).toBe(true)
})
