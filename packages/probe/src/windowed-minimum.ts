/**
 * The minimum of a window of time: the round trip of an empty link. Buckets of 5 s each keep only their own minimum,
 * so memory and work are fixed; with the usual twelve, a sample is forgotten after 55 to 60 s.
 */
import type { Instant } from '@causeway/protocol'

const BUCKET_MS = 5_000

export class WindowedMinimum {
  readonly #minima: Float64Array
  #bucket = 0

  constructor(buckets = 12) {
    this.#minima = new Float64Array(buckets).fill(Number.POSITIVE_INFINITY)
  }

  add(now: Instant, sample: number): void {
    this.#roll(now)
    const slot = this.#bucket % this.#minima.length
    this.#minima[slot] = Math.min(this.#minima[slot] ?? sample, sample)
  }

  /** `null` if nothing was added within the window. */
  minimum(now: Instant): number | null {
    this.#roll(now)
    let least = Number.POSITIVE_INFINITY
    for (const minimum of this.#minima) if (minimum < least) least = minimum
    return least === Number.POSITIVE_INFINITY ? null : least
  }

  #roll(now: Instant): void {
    const bucket = Math.floor(now / BUCKET_MS)
    if (bucket <= this.#bucket) return
    const stale = Math.min(bucket - this.#bucket, this.#minima.length)
    for (let i = 0; i < stale; i++) this.#minima[(bucket - i) % this.#minima.length] = Number.POSITIVE_INFINITY
    this.#bucket = bucket
  }
}
