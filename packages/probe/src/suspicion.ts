/**
 * When to suspect a silent peer. One lost probe on a live link must cost nothing; the first lost probe of a dead
 * one must start the clock.
 *
 *  1. A probe is missing if it was sent after every probe that has been answered. (An older unanswered one is loss.)
 *  2. Suspicion falls due when the oldest missing probe is past its timeout and nothing at all was heard for one
 *     timeout: `max(sent, heard) + timeout`; at the latest when it is unanswered for `unansweredMsMax` although the
 *     peer is heard, for then our packets may not reach it.
 */
import { type Instant, after, earliest } from '@causeway/protocol'
import type { Via } from './monitor-contract.ts'

interface Missing {
  readonly sent: Instant
  readonly via: Via
}

const MISSING_MAX = 64

export class Suspicion {
  readonly #missing: Missing[] = []
  #heard: Instant | undefined

  sent(now: Instant, via: Via): void {
    if (this.#missing.length < MISSING_MAX) this.#missing.push({ sent: now, via })
  }

  /** The probe sent at `sent` was answered. */
  answered(sent: Instant): void {
    while (this.#missing[0] && this.#missing[0].sent <= sent) this.#missing.shift()
  }

  heard(now: Instant): void {
    this.#heard = now
  }

  /** No longer waits for probes over `via`. */
  forget(via: Via): void {
    const others = this.#missing.filter((missing) => missing.via !== via)
    this.#missing.splice(0, this.#missing.length, ...others)
  }

  clear(): void {
    this.#missing.length = 0
  }

  /** The oldest missing probe. */
  get oldest(): Missing | undefined {
    return this.#missing[0]
  }

  get heardAt(): Instant | undefined {
    return this.#heard
  }

  dueAt(timeoutMs: (via: Via) => number, unansweredMs: number): Instant | undefined {
    const oldest = this.#missing[0]
    if (!oldest) return undefined
    const from = this.#heard !== undefined && this.#heard > oldest.sent ? this.#heard : oldest.sent
    const timeout = timeoutMs(oldest.via)
    return earliest(after(from, timeout), after(oldest.sent, Math.max(timeout, unansweredMs)))
  }
}
