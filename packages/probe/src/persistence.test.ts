import { instant } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { Persistence } from './persistence.ts'

it('believes a fault after its onset, and its end after it was clean long enough', () => {
  const fault = new Persistence(2_000, 5_000)
  fault.observe(instant(0), true)
  expect(fault.changesAt).toBe(2_000)
  fault.observe(instant(1_900), false)
  expect(fault.changesAt).toBeUndefined()
  fault.observe(instant(1_950), true)
  fault.observe(instant(3_949), true)
  expect(fault.active).toBe(false)
  fault.observe(instant(3_950), true)
  expect(fault.active).toBe(true)
  fault.observe(instant(4_000), false)
  fault.observe(instant(8_999), false)
  expect(fault.active).toBe(true)
  fault.observe(instant(9_000), false)
  expect(fault.active).toBe(false)
})
