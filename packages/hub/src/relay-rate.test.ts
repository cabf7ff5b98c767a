import { instant } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { RelayRate } from './relay-rate.ts'

test('frames a second over the last looks; nothing before there were any', () => {
  const rate = new RelayRate()
  expect(rate.perSecond(instant(0), 0)).toBeNull()
  for (let second = 0; second <= 10; second++) rate.observe(instant(second * 1_000), second * 50)
  expect(rate.perSecond(instant(10_500), 525)).toBe(50)
  for (let second = 11; second <= 13; second++) rate.observe(instant(second * 1_000), 525)
  expect(rate.perSecond(instant(13_500), 525)).toBe(0)
})
