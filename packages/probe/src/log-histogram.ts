/**
 * Percentiles in fixed memory, 6 KB. Bucket i holds samples in (0.05 ms · 1.01^(i−1), 0.05 ms · 1.01^i]; what is
 * reported is the geometric middle of the bucket, so the relative error is at most √1.01 − 1 < 0.5 % between 0.05 ms
 * and 60 s; smaller samples count as 0.05 ms, larger ones as 60 s.
 */
const LEAST_MS = 0.05
const GREATEST_MS = 60_000
const GROWTH = 1.01
const LOG_GROWTH = Math.log(GROWTH)
const BUCKETS = Math.ceil(Math.log(GREATEST_MS / LEAST_MS) / LOG_GROWTH) + 1

export const HISTOGRAM_ERROR_RATIO: number = Math.sqrt(GROWTH) - 1

export class LogHistogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0

  get total(): number {
    return this.#total
  }

  add(sampleMs: number): void {
    const bucket = bucketOf(sampleMs)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#total++
  }

  clear(): void {
    this.#counts.fill(0)
    this.#total = 0
  }

  /** The smallest value that at least the share `quantile` of the samples does not exceed; of both histograms if two. */
  quantile(quantile: number, other?: LogHistogram): number | null {
    const total = this.#total + (other?.total ?? 0)
    if (total === 0) return null
    const rank = Math.max(1, Math.ceil(quantile * total))
    let below = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      below += (this.#counts[bucket] ?? 0) + (other?.countIn(bucket) ?? 0)
      if (below >= rank) return valueOf(bucket)
    }
    return GREATEST_MS
  }

  countIn(bucket: number): number {
    return this.#counts[bucket] ?? 0
  }
}

function bucketOf(sampleMs: number): number {
  if (!(sampleMs > LEAST_MS)) return 0
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(sampleMs / LEAST_MS) / LOG_GROWTH))
}

function valueOf(bucket: number): number {
  return bucket === 0 ? LEAST_MS : Math.min(GREATEST_MS, LEAST_MS * GROWTH ** (bucket - 0.5))
}
