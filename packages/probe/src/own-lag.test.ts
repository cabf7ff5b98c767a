import { instant } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { MONITOR_DEFAULTS } from './monitor-config.ts'
import { OwnLag } from './own-lag.ts'

it('stretches deadlines by the lag, at most eightfold, for as long as the report counts', () => {
  const lag = new OwnLag(MONITOR_DEFAULTS)
  lag.report(instant(0), 40)
  expect(lag.stretchMs(instant(0), 100)).toBe(100)
  lag.report(instant(100), 300)
  expect(lag.stretchMs(instant(200), 100)).toBe(400)
  expect(lag.stretchMs(instant(200), 20)).toBe(160)
  expect(lag.doubts(instant(99))).toBe(true)
  expect(lag.doubts(instant(100))).toBe(false)
  expect(lag.stretchMs(instant(2_100), 100)).toBe(100)
  lag.report(instant(3_000), 300)
  // A lesser lag takes nothing off, and is believed when its time comes.
  lag.report(instant(3_100), 0)
  lag.report(instant(3_200), 60)
  expect(lag.stretchMs(instant(3_200), 100)).toBe(400)
  lag.report(instant(5_050), 60)
  expect(lag.stretchMs(instant(5_050), 100)).toBe(160)
})
