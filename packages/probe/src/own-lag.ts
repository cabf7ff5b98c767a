/**
 * Doubt yourself first: a process that stood still sees every peer silent. While our own event loop is late, all
 * deadlines stretch by that lateness, and what was in flight meanwhile is not timed.
 *
 *     stretched = min(timeout + lag, factor · timeout)
 */
import { type Instant, after } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'

export class OwnLag {
  readonly #config: MonitorConfig
  #lagMs = 0
  #until: Instant | undefined
  #doubtedBefore: Instant | undefined

  constructor(config: MonitorConfig) {
    this.#config = config
  }

  /** The driver's report, or our own observation of a late wake-up. A lesser one does not end the doubt of a greater. */
  report(now: Instant, lagMs: number): void {
    if (!(lagMs > this.#config.lagMs)) return
    this.#doubtedBefore = now
    if (this.#until !== undefined && now < this.#until && lagMs < this.#lagMs) return
    this.#lagMs = lagMs
    this.#until = after(now, this.#config.lagMemoryMs)
  }

  stretchMs(now: Instant, ms: number): number {
    if (this.#until === undefined || now >= this.#until) return ms
    return Math.min(ms + this.#lagMs, this.#config.stretchFactorMax * ms)
  }

  /** Whether we stood still after `sent`, so that what came since may have waited for us. */
  doubts(sent: Instant): boolean {
    return this.#doubtedBefore !== undefined && sent < this.#doubtedBefore
  }
}
