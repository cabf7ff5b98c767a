import { instant } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { MoveBudget } from './move-budget.ts'

test('an eighth of the destinations in two seconds, at least one', () => {
  const budget = new MoveBudget()
  const moves = (at: number, destinations: number): number =>
    Array.from({ length: 100 }, () => budget.take(instant(at), destinations)).filter(Boolean).length
  expect(moves(0, 80)).toBe(10)
  expect(moves(1_999, 80)).toBe(0)
  expect(moves(2_000, 3)).toBe(1)
  expect(moves(4_000, 15)).toBe(1)
})
