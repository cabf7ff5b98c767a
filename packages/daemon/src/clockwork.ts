/**
 * Time for one machine: a timer for its next wake, and a ticker that notices when the event loop runs late or the
 * wall clock was set, or went on while the machine slept, which is told by the time since it was booted.
 *
 *  1. At most one wake timer is armed, and nobody is woken before the deadline that was told last: one that moved later leaves
 *     the timer armed, which is then set anew. Every answer to a probe moves one.
 *  2. A wake that comes late waits until the sockets have been read once: Node runs timers first, and silence must not be
 *     judged before what has arrived is taken.
 *  3. `lag` is reported for a tick that is late by more than `LAG_MS_MIN`, before the inputs that waited with it.
 *  4. The pulse beats with the ticks, from `start` to `stop`.
 */
import { uptime } from 'node:os'
import { DelayBuckets } from '@causeway/probe'
import { type ClockInput, type Instant, instant } from '@causeway/protocol'
import type { Report } from './forwarding/sparing-reports.ts'
import { PULSE_MS, type Pulse } from './pulse.ts'

const TICK_MS = PULSE_MS
/** Below this it is the noise of a busy machine. */
const LAG_MS_MIN = 30
/** A wake that is late by less has kept nobody waiting. */
const LATE_MS_MIN = 2
/** Timers end early by up to this: their clock counts whole milliseconds. */
const EARLY_MS_MAX = 1
const WALL_SHIFT_MS_MIN = 100
/** A clock that is set by less is being disciplined, which nobody needs to hear of. */
const SET_MS_MIN = 1_000
/** Some systems tell the time since they were booted in whole seconds. */
const SLEPT_MS_MIN = 1_500
/** The longest delay that a Node timer can hold. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface ClockworkOptions {
  readonly pulse: Pulse
  readonly onWake: () => void
  readonly onClock: (input: ClockInput) => void
  readonly report: Report
  /** For how long the machine has been up, sleep and all, ms. @default as the system tells */
  readonly uptimeMs?: () => number
}

export class Clockwork {
  /** How late the ticks came, since the start. */
  readonly lag: DelayBuckets = new DelayBuckets()
  readonly #options: ClockworkOptions
  #wakeTimer: NodeJS.Timeout | undefined
  /** When the timer ends; and when the wake is due, which may be later. */
  #wakeAt = Infinity
  #dueAt = Infinity
  #ticker: NodeJS.Timeout | undefined
  #lastTick = 0
  #wallOffsetMs = 0
  #bootOffsetMs = 0
  #stopped = false

  constructor(options: ClockworkOptions) {
    this.#options = options
  }

  /** Starts ticking; returns the first word on the wall clock. */
  start(): ClockInput {
    this.#lastTick = performance.now()
    this.#options.pulse.beat(instant(this.#lastTick))
    this.#ticker = setInterval(() => this.#tick(), TICK_MS)
    this.#wallOffsetMs = wallOffset()
    this.#bootOffsetMs = this.#bootOffset()
    return { type: 'wall', offsetMs: this.#wallOffsetMs }
  }

  /** The next deadline, in place of what was told before. */
  wakeAt(at: Instant | undefined): void {
    this.#dueAt = at ?? Infinity
    if (this.#stopped || this.#dueAt >= this.#wakeAt) return
    clearTimeout(this.#wakeTimer)
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#wakeTimer)
    clearInterval(this.#ticker)
  }

  #arm(): void {
    this.#wakeAt = this.#dueAt
    const delay = Math.min(Math.max(Math.ceil(this.#dueAt - performance.now()), 0), TIMER_MS_MAX)
    this.#wakeTimer = setTimeout(() => this.#ring(), delay)
  }

  #ring(): void {
    this.#wakeAt = Infinity
    const lateMs = performance.now() - this.#dueAt
    if (lateMs > LATE_MS_MIN) setImmediate(() => this.#wake())
    else if (lateMs > -EARLY_MS_MAX) this.#wake()
    else if (this.#dueAt !== Infinity) this.#arm()
  }

  #wake(): void {
    if (!this.#stopped) this.#options.onWake()
  }

  #tick(): void {
    const now = performance.now()
    const lagMs = now - this.#lastTick - TICK_MS
    this.#lastTick = now
    this.#options.pulse.beat(instant(now))
    this.lag.add(lagMs)
    if (lagMs > LAG_MS_MIN) this.#options.onClock({ type: 'lag', lagMs })
    const byMs = wallOffset() - this.#wallOffsetMs
    if (Math.abs(byMs) > WALL_SHIFT_MS_MIN) this.#wallMoved(byMs)
  }

  #wallMoved(byMs: number): void {
    const offsetMs = (this.#wallOffsetMs += byMs)
    const sleptMs = this.#bootOffset() - this.#bootOffsetMs
    const slept = sleptMs >= SLEPT_MS_MIN
    if (slept) {
      this.#bootOffsetMs += sleptMs
      this.#options.report('machine-slept', { ms: Math.round(sleptMs) })
    } else if (Math.abs(byMs) >= SET_MS_MIN) {
      const remedy = 'keep it right, by NTP: records, credentials and leases go by it'
      this.#options.report('clock-set', { byMs: Math.round(byMs), remedy })
    }
    this.#options.onClock({ type: 'wall', offsetMs, ...(slept && { slept }) })
  }

  /** The time since the machine was booted minus the monotonic instant, which stands still in its sleep. */
  #bootOffset(): number {
    return (this.#options.uptimeMs?.() ?? uptime() * 1000) - performance.now()
  }
}

/** Wall clock (milliseconds since 1970) minus the monotonic instant. */
export function wallOffset(): number {
  return Date.now() - performance.now()
}
