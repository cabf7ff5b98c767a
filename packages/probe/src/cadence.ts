/**
 * How often to probe: lazily while the link carries nothing, more often while it does, quickly while a loss is fresh.
 * Control gets a probe now and then beside UDP, because only it finds a connection that is half open.
 *
 *  1. A probe promises when the next one leaves at the latest, and the promise is kept unless we stand still.
 *  2. Intervals are spread, so that many nodes do not fall into step. Idle links of one node share theirs (`IdleBeat`).
 */
import { type Instant, type Random, after, jittered } from '@causeway/protocol'
import type { IdleBeat } from './idle-beat.ts'
import type { MonitorConfig } from './monitor-config.ts'

export class Cadence {
  readonly #config: MonitorConfig
  readonly #random: Random
  readonly #beat: IdleBeat
  #idleMs: number
  #inUseUntil: Instant | undefined
  /** Since when data has been counted, and how often it was told of. */
  #carried = { since: 0, times: 0 }
  #lastAt: Instant
  #nextAt: Instant
  /** The interval of the last regular probe, spread. */
  #intervalMs: number
  #controlAt: Instant | undefined

  constructor(now: Instant, random: Random, config: MonitorConfig, beat: IdleBeat) {
    this.#config = config
    this.#random = random
    this.#beat = beat
    this.#idleMs = config.probeIdleMs
    this.#intervalMs = config.probeIdleMs
    this.#lastAt = now
    this.#nextAt = now
  }

  /** When the next regular probe is due. */
  get nextAt(): Instant {
    return this.#nextAt
  }

  inUse(now: Instant): boolean {
    return this.#inUseUntil !== undefined && now < this.#inUseUntil
  }

  /** The link carries data. A message now and then, such as a keepalive, is no use of it. */
  carried(now: Instant): void {
    const { inUseMs, inUseTimes } = this.#config
    if (now - this.#carried.since > inUseMs) this.#carried = { since: now, times: 0 }
    // Also to stay in use: else one frame a second would keep a link so for ever, once it was.
    if (++this.#carried.times < inUseTimes) return
    if (!this.inUse(now)) this.hurry(now, this.#config.probeInUseMs)
    this.#inUseUntil = after(now, inUseMs)
  }

  idle(now: Instant, ms: number): void {
    this.#idleMs = ms
    if (!this.inUse(now)) this.hurry(now, ms)
  }

  /** Fixes the interval until the probe after the one that is sent now; returns it as the promise, ms. */
  plan(now: Instant, suspicious: boolean): number {
    const { probeInUseMs, burstSpacingMs, probeSpreadRatio } = this.#config
    const inUse = this.inUse(now)
    if (inUse) this.schedule(now, suspicious ? burstSpacingMs : probeInUseMs)
    else if (suspicious) this.schedule(now, Math.min(probeInUseMs, this.#idleMs))
    else this.#next(now, this.#beat.following(now, this.#idleMs, this.#random, probeSpreadRatio) - now)
    return Math.ceil(this.#intervalMs)
  }

  schedule(now: Instant, ms: number): void {
    this.#next(now, jittered(this.#random, ms, this.#config.probeSpreadRatio))
  }

  /** A probe beside the regular ones was sent, which promises the next regular one. Returns the promise, ms. */
  extra(now: Instant): number {
    this.#lastAt = now
    this.#nextAt = after(now, this.#intervalMs)
    return Math.ceil(this.#intervalMs)
  }

  /** Moves the next probe forward to `ms` after the last one. */
  hurry(now: Instant, ms: number): void {
    const at = after(this.#lastAt, jittered(this.#random, ms, this.#config.probeSpreadRatio))
    if (at < this.#nextAt) this.#nextAt = at < now ? now : at
  }

  /** Whether control is to be probed beside UDP now: at its own slow pace, or every second if it owes us a reply. */
  controlDue(now: Instant, owes: boolean): boolean {
    const sinceMs = this.#controlAt === undefined ? Infinity : now - this.#controlAt
    const { controlInUseMs, controlIdleMs, controlOwesMs } = this.#config
    return sinceMs >= (owes ? controlOwesMs : this.inUse(now) ? controlInUseMs : controlIdleMs)
  }

  controlProbed(now: Instant): void {
    this.#controlAt = now
  }

  #next(now: Instant, intervalMs: number): void {
    this.#intervalMs = intervalMs
    this.#lastAt = now
    this.#nextAt = after(now, intervalMs)
  }
}
