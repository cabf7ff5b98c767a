/**
 * When a sticky task of a node that has crashed has stopped there, so that it may be granted anew. A node without its allocator
 * goes on from 9 s after its last renewal, and lets its worker do so for 12 s at a time (see `LeaseHolder`). If the node was seen
 * dead before that, the worker has stopped 12 s after the renewal; else 12 s after the node was seen dead. Each with 5 % for the
 * clocks.
 *
 * A node that comes back takes up what it had 13 s later, also if it finds no hub. So the node must have been called crashed all
 * that time by a hub that would have heard of its return: while the hub itself stood still it would not, and counts anew.
 */
import { type Instant, LEASE_TIMES, after, instant } from '@causeway/protocol'

export const STICKY = { beforeAloneMs: 7_000, afterCrashMs: 14_000, lookMs: 500, fromMs: 5_500 } as const
/** A hub at work has a turn each second. */
const STILL_MS = 5_000

export class StickyWatch {
  #turnAt: Instant
  #watchingSince: Instant

  constructor(now: Instant) {
    this.#turnAt = now
    this.#watchingSince = now
  }

  /** Before anything is decided. */
  turn(now: Instant): void {
    if (now - this.#turnAt > STILL_MS) this.slept(now)
    this.#turnAt = now
  }

  /** The machine slept, and its clock with it. */
  slept(now: Instant): void {
    this.#watchingSince = now
  }

  /** `crashedAt`: since when the node is called crashed without a break; `renewedAt`: when it asked for the last time. */
  stoppedAt(renewedAt: Instant, crashedAt: Instant): Instant {
    const seenAt = instant(Math.max(crashedAt, this.#watchingSince))
    const wasAlone = seenAt >= after(renewedAt, STICKY.beforeAloneMs)
    return wasAlone ? after(seenAt, STICKY.afterCrashMs) : after(renewedAt, LEASE_TIMES.regrantMs)
  }
}
