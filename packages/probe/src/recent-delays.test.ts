import { expect, test } from 'vitest'
import { RecentDelays } from './recent-delays.ts'

test('what is usual forgets the first strays after a few more good ones, and follows a change in eight', () => {
  const delays = new RecentDelays()
  expect(delays.usualMs).toBeNull()
  for (const stray of [90, 60, 75, 120, 66, 80, 70]) delays.add(stray)
  expect(delays.usualChangeMs).toBeGreaterThan(10)
  for (let i = 0; i < 9; i++) delays.add(20 + (i % 2))
  expect(delays.usualMs).toBeLessThanOrEqual(21)
  expect(delays.usualChangeMs).toBe(1)
  for (let i = 0; i < 100; i++) delays.add(20)
  delays.add(500)
  expect([delays.usualMs, delays.usualChangeMs]).toEqual([20, 0])
  for (let i = 0; i < 8; i++) delays.add(40)
  expect(delays.usualMs).toBe(40)
})

test('p95 needs enough samples', () => {
  const delays = new RecentDelays()
  for (let i = 0; i < 10; i++) delays.add(100)
  expect(delays.p95Exceeds(50, 20)).toBe(false)
  for (let i = 0; i < 10; i++) delays.add(100)
  expect(delays.p95Exceeds(50, 20)).toBe(true)
})
