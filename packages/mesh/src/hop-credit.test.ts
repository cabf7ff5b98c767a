import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '@causeway/protocol'
import { HopCredit, HopReceipt, decodeHopMessage, encodeHopMessage, isHopMessage } from './hop-credit.ts'

const FLOOR = 64 * 1024

/** A line of that rate and round trip, whose sender has always more to send; what was out after the first second. */
function outstandingOf(
  bytesPerMs: number,
  rttMs: number,
  seconds = 5,
): { readonly most: number; readonly mean: number; readonly rate: number } {
  const credit = new HopCredit(instant(0))
  const receipt = new HopReceipt()
  const arriving: { at: number; bytes: number }[] = []
  const credits: { at: number; bytes: number }[] = []
  let free = 0
  let most = 0
  let sum = 0
  let delivered = 0
  for (let ms = 0; ms < seconds * 1000; ms += 0.5) {
    const now = instant(ms)
    for (let next = arriving[0]; next && next.at <= ms; next = arriving[0]) {
      receipt.received(next.bytes)
      if (ms > 1000) delivered += next.bytes
      arriving.shift()
    }
    const told = receipt.takeCredit()
    if (told) credits.push({ at: ms + rttMs / 2, bytes: told.bytes })
    for (let next = credits[0]; next && next.at <= ms; next = credits[0]) {
      credit.credit(now, next.bytes)
      credits.shift()
    }
    while (credit.open(now)) {
      credit.sent(now, 8192)
      free = Math.max(free, ms) + 8192 / bytesPerMs
      arriving.push({ at: free + rttMs / 2, bytes: 8192 })
    }
    if (ms <= 1000) continue
    most = Math.max(most, credit.outstandingBytes)
    sum += credit.outstandingBytes / 2
  }
  return { most, mean: sum / (seconds * 1000 - 1000), rate: delivered / (seconds * 1000 - 1000) }
}

describe('HopCredit', () => {
  it.each([
    { megabits: 10, rttMs: 40 },
    { megabits: 100, rttMs: 20 },
    { megabits: 1000, rttMs: 40 },
    { megabits: 2000, rttMs: 0.2 },
  ])('fills a line of $megabits Mbit/s and $rttMs ms, and queues little on it', ({ megabits, rttMs }) => {
    const bytesPerMs = (megabits * 1e6) / 8 / 1000
    const { most, rate } = outstandingOf(bytesPerMs, rttMs)
    expect(rate).toBeGreaterThan(0.9 * bytesPerMs)
    // What is out beyond the round trip waits in a queue.
    expect(most - bytesPerMs * rttMs).toBeLessThan(Math.max(FLOOR, bytesPerMs * (rttMs + 20)) + 16 * 1024)
  })

  it.each([
    { megabits: 50, rttMs: 20 },
    { megabits: 1000, rttMs: 80 },
  ])('lets no queue of half a round trip stand on $megabits Mbit/s and $rttMs ms', ({ megabits, rttMs }) => {
    const bytesPerMs = (megabits * 1e6) / 8 / 1000
    const { mean } = outstandingOf(bytesPerMs, rttMs, 20)
    expect(mean / bytesPerMs - rttMs).toBeLessThan(17)
  })

  it('asks when credit is overdue, and is dead when nobody answers', () => {
    const credit = new HopCredit(instant(0))
    credit.sent(instant(1000), 20_000)
    expect(credit.question(instant(1499))).toBeUndefined()
    expect(credit.question(instant(1500))).toEqual({ type: 'position', bytes: 20_000 })
    expect(credit.question(instant(1600))).toBeUndefined()
    expect(credit.question(instant(2000))).toBeDefined()
    expect(credit.dead(instant(4999))).toBe(false)
    expect(credit.dead(instant(5000))).toBe(true)
    credit.credit(instant(5000), 20_000)
    expect(credit.dead(instant(9000))).toBe(false)
  })

  it('does not ask about a keepalive', () => {
    const credit = new HopCredit(instant(0))
    credit.sent(instant(0), 80)
    expect(credit.question(instant(60_000))).toBeUndefined()
  })

  it('what was lost with a socket does not hold the window for ever', () => {
    const credit = new HopCredit(instant(0))
    const receipt = new HopReceipt()
    credit.sent(instant(0), 100_000)
    receipt.received(40_000)
    credit.credit(instant(10), receipt.takeCredit()?.bytes ?? 0)
    expect(credit.outstandingBytes).toBe(60_000)
    const question = credit.question(instant(600))
    receipt.position(question?.bytes ?? 0)
    credit.credit(instant(610), receipt.takeCredit()?.bytes ?? 0)
    expect(credit.outstandingBytes).toBe(0)
  })

  it('does not believe in credit for what was not sent', () => {
    const credit = new HopCredit(instant(0))
    credit.sent(instant(0), 10)
    credit.credit(instant(1), 11)
    expect(credit.outstandingBytes).toBe(10)
  })

  it('messages survive the wire, and are no frames', () => {
    const message = fc.record({
      type: fc.constantFrom('credit' as const, 'position' as const),
      bytes: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    })
    fc.assert(
      fc.property(message, (it) => {
        const bytes = encodeHopMessage(it)
        expect(isHopMessage(bytes)).toBe(true)
        expect(decodeHopMessage(bytes)).toEqual(it)
        expect(decodeHopMessage(bytes.subarray(1))).toBeUndefined()
      }),
    )
    expect(isHopMessage(Uint8Array.of(0x10, 1))).toBe(false)
  })
})
