/**
 * A stamp of departure has to be in the packet before the packet can leave, and sealing and the system call come after
 * it: 0.2 ms in a process that sends now and then. So the stamp says when the packet will leave, by what the last ones
 * have taken.
 */
import type { Instant } from '@causeway/protocol'

const GAIN = 1 / 8
/** What took longer was held up, and is no measure of the next. */
const LEAD_MS_MAX = 0.5

export class DepartureLead {
  #usualMs = 0

  /** To be added to the time at which a packet is stamped, ms. */
  get ms(): number {
    return this.#usualMs
  }

  /** When a packet that is stamped now will leave. */
  from(now: Instant): Instant {
    return (now + this.#usualMs) as Instant
  }

  /** A packet has left, `tookMs` after it was stamped. */
  left(tookMs: number): void {
    this.#usualMs += GAIN * (Math.min(tookMs, LEAD_MS_MAX) - this.#usualMs)
  }
}
