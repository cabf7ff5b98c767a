import { instant } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { WindowedMinimum } from './windowed-minimum.ts'

it('remembers the minimum for 55 to 60 s', () => {
  const minimum = new WindowedMinimum()
  expect(minimum.minimum(instant(0))).toBeNull()
  minimum.add(instant(2_500), 10)
  for (let at = 5_000; at < 57_000; at += 1_000) minimum.add(instant(at), 30)
  expect(minimum.minimum(instant(57_400))).toBe(10)
  expect(minimum.minimum(instant(62_500))).toBe(30)
  expect(minimum.minimum(instant(1_000_000))).toBeNull()
})
