import { expect, it } from 'vitest'
import { FlapHold } from './flap-hold.ts'
import { MONITOR_DEFAULTS } from './monitor-config.ts'

it('doubles with every fall up to 10 min, and halves for every 10 min up', () => {
  const hold = new FlapHold(MONITOR_DEFAULTS)
  expect(hold.holdMs).toBe(5_000)
  const holds = Array.from({ length: 9 }, () => {
    hold.fall(0)
    return hold.holdMs / 1_000
  })
  expect(holds).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600])
  hold.fall(3 * 600_000)
  expect(hold.holdMs).toBeCloseTo(600_000 / 4, 3)
  hold.fall(86_400_000)
  expect(hold.holdMs).toBe(5_000)
})
