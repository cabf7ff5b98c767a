import { expect, test } from 'vitest'
import { sparkline } from './sparkline.ts'

const draw = (values: readonly (number | null | undefined)[], width = 10): string =>
  sparkline(values, width)
    .map(({ text }) => text)
    .join('')

test('noise is flat, what has doubled is high', () => {
  expect(draw([10, 10.5, 11, 10])).toBe('▁▁▁▁')
  expect(draw([10, 15, 20])).toBe('▁▅█')
  expect(draw([10, 20, 90])).toBe('▁▂█')
  expect(draw([0, 0])).toBe('▁▁')
})

test('lost and unknown are told apart, and have no part in the scale', () => {
  expect(draw([null, 7, undefined])).toBe('×▁·')
  expect(draw([null])).toBe('×')
  expect(draw([])).toBe('')
})

test('only the last are shown', () => {
  expect(draw([99, 1, 8, null], 3)).toBe('▁█×')
  expect(draw([1], 0)).toBe('')
})
