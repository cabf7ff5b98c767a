import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClockInput, instant } from '@causeway/protocol'
import { Clockwork } from './clockwork.ts'
import { Pulse } from './pulse.ts'

describe('Clockwork', () => {
  let wakes: number[]
  let inputs: ClockInput[]
  let told: unknown[]
  let asleepMs: number
  let clockwork: Clockwork
  let pulse: Pulse
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] })
    wakes = []
    inputs = []
    pulse = new Pulse()
    told = []
    asleepMs = 0
    clockwork = new Clockwork({
      pulse,
      onWake: () => wakes.push(performance.now()),
      onClock: (input) => inputs.push(input),
      report: (name, data) => told.push([name, data]),
      uptimeMs: () => performance.now() + asleepMs,
    })
  })
  afterEach(() => {
    clockwork.stop()
    vi.useRealTimers()
  })

  it('says first where the wall clock stands', () => {
    expect(clockwork.start()).toEqual({ type: 'wall', offsetMs: Date.now() - performance.now() })
  })

  it('wakes at the deadline that was told last, once (1)', () => {
    clockwork.start()
    const now = performance.now()
    clockwork.wakeAt(instant(now + 500))
    clockwork.wakeAt(instant(now + 200))
    clockwork.wakeAt(instant(now + 900))
    vi.advanceTimersByTime(800)
    expect(wakes).toEqual([])
    vi.advanceTimersByTime(2_000)
    expect(wakes).toEqual([now + 900])
    clockwork.wakeAt(instant(now + 4_000))
    clockwork.wakeAt(undefined)
    vi.advanceTimersByTime(2_000)
    expect(wakes).toHaveLength(1)
    clockwork.wakeAt(instant(performance.now()))
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
    expect(told).toEqual([['clock-set', { byMs: 5_000, remedy: expect.stringContaining('NTP') }]])
  })

  it('tells sleep of the machine from a clock that was set', () => {
    clockwork.start()
    asleepMs += 8_000
    vi.setSystemTime(Date.now() + 8_000)
    vi.advanceTimersByTime(1_000)
    expect(inputs).toEqual([{ type: 'wall', offsetMs: expect.any(Number), slept: true }])
    expect(told).toEqual([['machine-slept', { ms: 8_000 }]])
  })

  it('beats the pulse from start to stop (4)', () => {
    vi.advanceTimersByTime(1_000)
    clockwork.start()
    const ages: number[] = []
    for (let tick = 0; tick < 20; tick++) {
      vi.advanceTimersByTime(49)
      ages.push(pulse.ageMs(instant(performance.now())))
    }
    expect(new Set(ages)).toEqual(new Set([0]))
    clockwork.stop()
    const stopped = performance.now()
    vi.advanceTimersByTime(800)
    expect(pulse.ageMs(instant(stopped + 800))).toBeGreaterThanOrEqual(800)
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
    const clockwork = new Clockwork({ pulse: new Pulse(), onWake: () => {}, onClock: (input) => inputs.push(input), report: () => {} })
    clockwork.start()
    const until = performance.now() + 300
    while (performance.now() < until);
    await vi.waitFor(() => expect(inputs.length).toBeGreaterThan(0))
    clockwork.stop()
    const lag = inputs.find((input) => input.type === 'lag')
    expect(lag?.lagMs).toBeGreaterThan(150)
  })

  it('wakes late only after what has arrived meanwhile (2)', async () => {
    const seen: string[] = []
    const clockwork = new Clockwork({ pulse: new Pulse(), onWake: () => seen.push('wake'), onClock: () => {}, report: () => {} })
    const { port1, port2 } = new MessageChannel()
    port1.on('message', () => seen.push('message'))
    clockwork.start()
    clockwork.wakeAt(instant(performance.now() + 5))
    // After this phase of the event loop come the timers, then what has arrived.
    await new Promise(setImmediate)
    // The timer falls due, and the message arrives, while this turn lasts.
    port2.postMessage(null)
    const until = performance.now() + 60
    while (performance.now() < until);
    await vi.waitFor(() => expect(seen).toHaveLength(2))
    clockwork.stop()
    port1.close()
    expect(seen).toEqual(['message', 'wake'])
  })
})
