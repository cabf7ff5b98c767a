import { after, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { ClockOffset } from './clock-offset.ts'
import { OneWayDelay } from './one-way-delay.ts'

const T0 = instant(0)

/** The far clock is `offset` ahead; the packet takes `there` and `back`, and is held for 1 ms. */
function exchange(offset: number, there: number, back: number) {
  const sentAt = 1_000_000
  const receivedAt = sentAt + there + offset
  return { sentAt, receivedAt, transmittedAt: receivedAt + 1, arrivedAt: sentAt + there + 1 + back }
}

describe('ClockOffset', () => {
  it('knows nothing before the first exchange', () => expect(new ClockOffset().estimate(T0)).toBeNull())

  it('is exact where both ways take as long, and uncertain by half the round trip', () => {
    const clock = new ClockOffset()
    clock.add(T0, exchange(500, 20, 20))
    expect(clock.estimate(T0)).toEqual({ offsetMs: 500, uncertaintyMs: 20 })
  })

  it('is off by no more than it says, however uneven the ways', () => {
    for (const [there, back] of [
      [0, 80],
      [80, 0],
      [3, 70],
    ] as const) {
      const clock = new ClockOffset()
      clock.add(T0, exchange(-200, there, back))
      const { offsetMs = 0, uncertaintyMs = 0 } = clock.estimate(T0) ?? {}
      expect(Math.abs(offsetMs - -200)).toBeLessThanOrEqual(uncertaintyMs)
    }
  })

  it('believes the quickest of the last minute, less and less', () => {
    const clock = new ClockOffset()
    clock.add(T0, exchange(10, 5, 5))
    clock.add(after(T0, 1_000), exchange(10, 90, 5))
    for (let second = 2; second < 50; second += 1) clock.add(after(T0, second * 1_000), exchange(10, 40, 20))
    const then = clock.estimate(after(T0, 50_000))
    expect(then?.offsetMs).toBe(10)
    expect(then?.uncertaintyMs).toBeCloseTo(5 + 0.75)
    clock.add(after(T0, 61_000), exchange(10, 40, 20))
    expect(clock.estimate(after(T0, 61_000))?.uncertaintyMs).toBeGreaterThanOrEqual(30)
    expect(clock.estimate(after(T0, 200_000))).toBeNull()
  })

  it('learns nothing from times that cannot be', () => {
    const clock = new ClockOffset()
    clock.add(T0, { ...exchange(0, 5, 5), arrivedAt: 0 })
    clock.add(T0, { ...exchange(0, 5, 5), transmittedAt: 0 })
    expect(clock.estimate(T0)).toBeNull()
  })
})

describe('OneWayDelay', () => {
  it('tells the ways apart, within what both clocks claim', () => {
    const delay = new OneWayDelay()
    expect(delay.mean()).toBeNull()
    delay.add(exchange(0, 10, 30), 1)
    delay.add(exchange(0, 20, 30), 2)
    expect(delay.mean()).toEqual({ forward: 15, backward: 30, uncertainty: 2 })
  })

  it('does not believe clocks that the times disprove', () => {
    const delay = new OneWayDelay()
    delay.add(exchange(500, 10, 30), 1)
    expect(delay.mean()).toBeNull()
  })
})
