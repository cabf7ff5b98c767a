import { describe, expect, it } from 'vitest'
import { MONITOR_DEFAULTS } from './monitor-config.ts'
import { RoundTrip } from './round-trip.ts'

describe('RoundTrip', () => {
  it('follows RFC 6298, 2.2 and 2.3', () => {
    const roundTrip = new RoundTrip()
    expect(roundTrip.smoothedMs).toBeNull()
    expect(roundTrip.timeoutMs(MONITOR_DEFAULTS)).toBe(1_000)
    roundTrip.add(100)
    expect([roundTrip.smoothedMs, roundTrip.varianceMs]).toEqual([100, 50])
    expect(roundTrip.timeoutMs(MONITOR_DEFAULTS)).toBe(310)
    roundTrip.add(140)
    expect([roundTrip.smoothedMs, roundTrip.varianceMs]).toEqual([105, 47.5])
    expect(roundTrip.lastMs).toBe(140)
  })

  it('never times out below the floor', () => {
    const roundTrip = new RoundTrip()
    for (let i = 0; i < 50; i++) roundTrip.add(1)
    expect(roundTrip.timeoutMs(MONITOR_DEFAULTS)).toBe(MONITOR_DEFAULTS.timeoutMsMin)
  })
})
