/**
 * How often something may be done: tokens fall into a bucket at a steady rate until it is full, and each time takes
 * one. So a burst may empty the bucket, and after it the rate holds.
 */
import type { Instant } from '@causeway/protocol'

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #filledAt: Instant | undefined

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
  }

  take(now: Instant): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - (this.#filledAt ?? now)) * this.#perMs)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
