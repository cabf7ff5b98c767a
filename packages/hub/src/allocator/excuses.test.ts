import { expect, test } from 'vitest'
import { instant } from '@causeway/protocol'
import { Excuses } from './excuses.ts'

test('tells a new reason, not new numbers, and in a second only so many', () => {
  const excuses = new Excuses()
  const now = instant(5_000)
  expect(excuses.news(now, 'is full: 3 tasks for 4 slots', () => 'is full: 4 tasks for 4 slots')).toBeUndefined()
  const told = Array.from({ length: 5_000 }, () => excuses.news(now, '', () => 'n1 is suspect')).filter((reason) => reason !== undefined)
  expect(told).toHaveLength(100)
  expect(excuses.news(instant(6_000), '', () => 'n1 is suspect')).toBe('n1 is suspect')
})
