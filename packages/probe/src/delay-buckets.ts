/**
 * Delays counted since the start in buckets that double, from 50 µs to 52 s: what a Prometheus histogram wants.
 * Counts never go back, so that rates and percentiles over any time can be had from two readings.
 */
import { type DelayCounts, invariant } from '@causeway/protocol'

const FIRST_MS = 0.05
const BUCKETS = 21
/** A delay that equals a bound belongs below it, however its logarithm is rounded. */
const ROUNDING = 1e-9

const BOUNDS_MS: readonly number[] = Array.from({ length: BUCKETS }, (_, power) => FIRST_MS * 2 ** power)

export class DelayBuckets {
  readonly #counts = new Float64Array(BUCKETS + 1)
  #sumMs = 0
  #count = 0

  /** What is negative, as rounded stamps may make it, counts as no delay. */
  add(ms: number): void {
    invariant(Number.isFinite(ms), 'a delay that was not measured must not be counted')
    const bucket = ms <= FIRST_MS ? 0 : Math.ceil(Math.log2(ms / FIRST_MS) - ROUNDING)
    const index = Math.min(bucket, BUCKETS)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#sumMs += Math.max(ms, 0)
    this.#count++
  }

  snapshot(): DelayCounts {
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], sumMs: this.#sumMs, count: this.#count }
  }
}
