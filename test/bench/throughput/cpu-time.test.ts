import { expect, test } from 'vitest'
import { ticksIn } from './cpu-time.ts'

test('the times of a process and its children are counted, whatever its name', () => {
  const stat = '42 (a) b (c)) S 1 42 42 0 -1 4194560 100 200 0 0 700 30 5 1 20 0 11 0 123456 789 0'
  expect(ticksIn(stat)).toBe(700 + 30 + 5 + 1)
})
