import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClockInput, instant } from '@causeway/protocol'
import { Clockwork } from './clockwork.ts'

describe('Clockwork', () => {
  let wakes: number[]
  let inputs: ClockInput[]
  let clockwork: Clockwork
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] })
    wakes = []
    inputs = []
    clockwork = new Clockwork({ onWake: () => wakes.push(performance.now()), onClock: (input) => inputs.push(input) })
  })
  afterEach(() => {
    clockwork.stop()
    vi.useRealTimers()
  })

  it('says first where the wall clock stands', () => {
    expect(clockwork.start()).toEqual({ type: 'wall', offsetMs: Date.now() - performance.now() })
  })

  it('wakes at the earliest deadline, once', () => {
    clockwork.start()
    const now = performance.now()
    clockwork.wakeAt(instant(now + 500))
    clockwork.wakeAt(instant(now + 200))
    clockwork.wakeAt(instant(now + 900))
    clockwork.wakeAt(undefined)
    vi.advanceTimersByTime(2_000)
    expect(wakes).toEqual([now + 200])
    clockwork.wakeAt(instant(now))
    vi.advanceTimersByTime(1)
    expect(wakes).toHaveLength(2)
  })

  it('bears a deadline that is further away than a timer can hold', () => {
    clockwork.start()
    clockwork.wakeAt(instant(performance.now() + 2 ** 40))
    vi.advanceTimersByTime(10_000)
    expect(wakes).toEqual([])
  })

  it('tells of a wall clock that was set, and only then', () => {
    clockwork.start()
    vi.advanceTimersByTime(1_000)
    expect(inputs).toEqual([])
    vi.setSystemTime(Date.now() + 5_000)
    vi.advanceTimersByTime(1_000)
    expect(inputs).toEqual([{ type: 'wall', offsetMs: expect.any(Number) }])
  })

  it('does nothing after stop', () => {
    clockwork.start()
    clockwork.wakeAt(instant(performance.now() + 10))
    clockwork.stop()
    clockwork.wakeAt(instant(performance.now() + 10))
    vi.advanceTimersByTime(1_000)
    expect(wakes).toEqual([])
  })
})

describe('Clockwork and a busy event loop', () => {
  it('reports how late a tick came', async () => {
    const inputs: ClockInput[] = []
    const clockwork = new Clockwork({ onWake: () => {}, onClock: (input) => inputs.push(input) })
    clockwork.start()
    const until = performance.now() + 300
    while (performance.now() < until);
    await vi.waitFor(() => expect(inputs.length).toBeGreaterThan(0))
    clockwork.stop()
    const lag = inputs.find((input) => input.type === 'lag')
    expect(lag?.lagMs).toBeGreaterThan(150)
  })
})
