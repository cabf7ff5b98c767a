/**
 * When to suspect a silent peer. One lost probe on a live link must cost next to nothing; the first lost probe of a
 * dead one must start the clock. The end that probes misses a reply; the other misses the probe it was promised.
 *
 *  1. A probe is missing if it was sent after every probe that has been answered. (An older unanswered one is loss.)
 *     Suspicion falls due when the oldest missing probe is past its timeout. That data still comes from the peer is no
 *     excuse, since it says nothing of the way there.
 *  2. A promise is broken if no probe has come when the time it named is over, plus an allowance.
 */
import { type Instant, after } from '@causeway/protocol'
import type { Via } from './monitor-contract.ts'

interface Missing {
  readonly sent: Instant
  readonly via: Via
}

const MISSING_MAX = 64

export class Suspicion {
  readonly #missing: Missing[] = []
  #heardAt: Instant | undefined
  #promise: { readonly at: Instant; readonly ms: number; readonly via: Via } | undefined

  sent(now: Instant, via: Via): void {
    if (this.#missing.length < MISSING_MAX) this.#missing.push({ sent: now, via })
  }

  /** The probe sent at `sent` was answered. */
  answered(sent: Instant): void {
    while (this.#missing[0] && this.#missing[0].sent <= sent) this.#missing.shift()
  }

  /** A probe of the peer came, over `via`, that promises another within `ms`. */
  promised(now: Instant, via: Via, ms: number): void {
    this.#heardAt = now
    this.#promise = ms > 0 ? { at: now, ms, via } : undefined
  }

  /** The peer lives although it has kept us waiting: the time of its promise begins anew. */
  pardon(now: Instant): void {
    if (this.#promise) this.#promise = { ...this.#promise, at: now }
  }

  /** No longer waits for probes over `via`. */
  forget(via: Via): void {
    const others = this.#missing.filter((missing) => missing.via !== via)
    this.#missing.splice(0, this.#missing.length, ...others)
  }

  clear(): void {
    this.#missing.length = 0
    this.#promise = undefined
  }

  /** The oldest missing probe. */
  get oldest(): Missing | undefined {
    return this.#missing[0]
  }

  /** When the peer's last probe came. */
  get heardAt(): Instant | undefined {
    return this.#heardAt
  }

  /** When a reply is overdue. */
  replyDueAt(timeoutMs: (via: Via) => number): Instant | undefined {
    const oldest = this.#missing[0]
    return oldest && after(oldest.sent, timeoutMs(oldest.via))
  }

  /** When a promised probe is overdue. */
  probeDueAt(allowanceMs: (via: Via) => number): Instant | undefined {
    const promise = this.#promise
    return promise && after(promise.at, promise.ms + allowanceMs(promise.via))
  }
}
