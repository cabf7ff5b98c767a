import { instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { DeliveryRate, type Departure } from './delivery-rate.ts'

const PACKET_BYTES = 1_000

/**
 * A sender that keeps its window full over a line of `bytesPerMs` and a round trip of `rttMs`; acknowledgements come every
 * `ackEveryMs` together. Returns the longest round trip in each second.
 */
function fill({ bytesPerMs, rttMs, seconds, ackEveryMs = 1 }: { bytesPerMs: number; rttMs: number; seconds: number; ackEveryMs?: number }) {
  const rate = new DeliveryRate()
  const out: { readonly arrives: number; readonly departure: Departure }[] = []
  const longest: number[] = []
  let lineFree = 0
  let inFlight = 0
  let delivered = 0
  for (let now = 0; now < seconds * 1_000; now++) {
    const arrived = now % ackEveryMs === 0 ? out.splice(0, out.filter(({ arrives }) => arrives <= now).length) : []
    for (const { departure } of arrived) {
      inFlight -= PACKET_BYTES
      delivered += PACKET_BYTES
      const took = now - departure.at
      rate.arrived(instant(now), PACKET_BYTES, took, departure)
      const second = Math.floor(now / 1_000)
      longest[second] = Math.max(longest[second] ?? 0, took)
    }
    while (inFlight < Math.max(10 * PACKET_BYTES, rate.windowBytes(instant(now)))) {
      const departure = rate.depart(instant(now), inFlight === 0)
      lineFree = Math.max(lineFree, now) + PACKET_BYTES / bytesPerMs
      out.push({ arrives: lineFree + rttMs, departure })
      inFlight += PACKET_BYTES
    }
  }
  return { longest, share: delivered / (seconds * 1_000 * bytesPerMs) }
}

describe('DeliveryRate', () => {
  it('keeps the line full, and the queue that it keeps does not grow with time, nor after a look', () => {
    const { longest, share } = fill({ bytesPerMs: 6_250, rttMs: 40, seconds: 60 })
    expect(Math.max(...longest.slice(10))).toBeLessThan(1.5 * 40 + 10 + 15)
    expect(share).toBeGreaterThan(0.95)
  })

  it('does not take acknowledgements that come together for a faster line', () => {
    const { longest } = fill({ bytesPerMs: 6_250, rttMs: 40, seconds: 30, ackEveryMs: 20 })
    expect(Math.max(...longest.slice(5))).toBeLessThan(2 * 40 + 20 + 10)
  })
})
