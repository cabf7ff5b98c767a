/**
 * The delays of one measurement, summed up. Exact while they are few enough to be kept and sorted (16,384); after
 * that percentiles come from a histogram, with an error below 0.5 %. Least, greatest, mean and deviation stay exact
 * (Welford's running variance), however long it runs.
 */
import { LogHistogram } from './log-histogram.ts'

const EXACT_MAX = 16_384

export interface DelaySummary {
  readonly last: number | null
  readonly min: number | null
  readonly avg: number | null
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly max: number | null
  readonly stddev: number | null
}

export class DelayDistribution {
  #kept: number[] | undefined = []
  #sorted = true
  #histogram: LogHistogram | undefined
  #count = 0
  #last: number | null = null
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #mean = 0
  #squares = 0

  get count(): number {
    return this.#count
  }

  add(delayMs: number): void {
    this.#count++
    this.#last = delayMs
    this.#min = Math.min(this.#min, delayMs)
    this.#max = Math.max(this.#max, delayMs)
    const step = delayMs - this.#mean
    this.#mean += step / this.#count
    this.#squares += step * (delayMs - this.#mean)
    this.#keep(delayMs)
  }

  /** The smallest delay that at least the share `share` of all does not exceed (nearest rank). */
  quantile(share: number): number | null {
    if (this.#count === 0) return null
    if (!this.#kept) return clamp(this.#histogram?.quantile(share) ?? null, this.#min, this.#max)
    if (!this.#sorted) this.#kept.sort((a, b) => a - b)
    this.#sorted = true
    return this.#kept[Math.max(0, Math.ceil(share * this.#kept.length) - 1)] ?? null
  }

  summary(): DelaySummary {
    if (this.#count === 0) return { last: null, min: null, avg: null, p50: null, p95: null, p99: null, max: null, stddev: null }
    return {
      last: this.#last,
      min: this.#min,
      avg: this.#mean,
      p50: this.quantile(0.5),
      p95: this.quantile(0.95),
      p99: this.quantile(0.99),
      max: this.#max,
      stddev: Math.sqrt(this.#squares / this.#count),
    }
  }

  #keep(delayMs: number): void {
    if (this.#kept && this.#kept.length < EXACT_MAX) {
      this.#sorted = false
      this.#kept.push(delayMs)
      return
    }
    this.#histogram ??= new LogHistogram()
    for (const kept of this.#kept ?? []) this.#histogram.add(kept)
    this.#kept = undefined
    this.#histogram.add(delayMs)
  }
}

function clamp(value: number | null, min: number, max: number): number | null {
  return value === null ? null : Math.min(Math.max(value, min), max)
}
