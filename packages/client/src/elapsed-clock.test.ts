import { expect, test } from 'vitest'
import { ElapsedClock } from './elapsed-clock.ts'

test('time that the machine slept through counts, as does a wall clock set forward; one set back does not', () => {
  let monotonic = 1_000
  let wall = 5_000_000
  const clock = new ElapsedClock(
    () => monotonic,
    () => wall,
  )
  expect(clock.now()).toBe(1_000)
  monotonic += 100
  wall += 130
  expect(clock.now()).toBe(1_100)
  monotonic += 100
  wall += 20_100
  expect(clock.now()).toBe(21_230)
  expect(clock.now()).toBe(21_230)
  wall -= 3_600_000
  monotonic += 10
  expect(clock.now()).toBe(21_240)
  wall += 3_000
  expect(clock.now()).toBe(24_240)
})
