import { expect, test } from 'vitest'
import { trend } from './trend.ts'

test('the newest is to the right, what doubled is high, and noise is low', () => {
  expect(trend([10, 10.5, 11, 10])).toBe('▁▁▁▁')
  expect(trend([10, 15, 20])).toBe('▁▅█')
  expect(trend([10, 20, 90])).toBe('▁▂█')
})

test('what was not measured is a gap, and nothing is nothing', () => {
  expect(trend([null, 7, null])).toBe(' ▁ ')
  expect(trend([null])).toBe(' ')
  expect(trend([])).toBe('')
  expect(trend([0, 0])).toBe('▁▁')
})
