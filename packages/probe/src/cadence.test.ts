import { SeededRandom, after, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Cadence } from './cadence.ts'
import { IdleBeat } from './idle-beat.ts'
import { MONITOR_DEFAULTS } from './monitor-config.ts'

/** Whether a link is in use after it has carried `perSecond` messages a second, from `from` to `to` seconds. */
function carrying(cadence: Cadence, perSecond: number, from: number, to: number): boolean {
  for (let n = 0; n < (to - from) * perSecond; n++) cadence.carried(after(instant(from * 1000), (n * 1000) / perSecond))
  return cadence.inUse(instant(to * 1000))
}

describe('a link', () => {
  it('is in use while it carries a flow, and no longer', () => {
    const cadence = new Cadence(instant(0), new SeededRandom(1), MONITOR_DEFAULTS, new IdleBeat())
    expect(carrying(cadence, 10, 0, 10)).toBe(true)
    expect(cadence.inUse(instant(13_000))).toBe(false)
  })

  it('is not in use for the vitals and acknowledgements of a site, not even right after it was', () => {
    const cadence = new Cadence(instant(0), new SeededRandom(1), MONITOR_DEFAULTS, new IdleBeat())
    expect(carrying(cadence, 3, 0, 30)).toBe(false)
    expect(carrying(cadence, 100, 30, 40)).toBe(true)
    expect(carrying(cadence, 3, 40, 50)).toBe(false)
  })
})
