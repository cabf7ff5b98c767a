import { expect, test } from 'vitest'
import { keepLedger } from './byte-ledger.ts'

/** Per site and minute, both ways, as the daemon's records would carry it. */
const BYTES_MAX = 13_000

test('a site and its core stay in step for less than 13 kB a minute, signatures included', () => {
  const { up, down } = keepLedger(60)
  expect(up.messages + down.messages).toBeGreaterThan(90)
  // Every change of a task or of config is there, and so are its 64 bytes of signature.
  expect(up.packedBytes).toBeGreaterThan(64 * 20)
  expect(down.packedBytes).toBeGreaterThan(64 * 30)
  expect(up.laneBytes + up.recordBytes + down.laneBytes + down.recordBytes).toBeLessThan(BYTES_MAX)
})
