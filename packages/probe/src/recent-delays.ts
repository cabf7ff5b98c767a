/**
 * The last 50 round trips. They tell quickly whether their p95 is above a threshold: it is if more than 5 % of them
 * are; on a link in use that is 10 s, on an idle one most of a minute. And they tell what is usual now: the medians
 * of the last 15 follow a change within 8 samples and take no notice of a few strays, such as the first round trips
 * of two processes that have just started (a mean with weight 1/8 or 1/16 needs up to a minute to forget those).
 */
const SAMPLES = 50
const SLOW_SHARE = 0.05
const USUAL_SAMPLES = 15

export class RecentDelays {
  readonly #samples = new Float64Array(SAMPLES)
  #added = 0

  add(sampleMs: number): void {
    this.#samples[this.#added++ % SAMPLES] = sampleMs
  }

  /** False as long as there are fewer than `samplesMin` samples. */
  p95Exceeds(thresholdMs: number, samplesMin: number): boolean {
    const count = Math.min(this.#added, SAMPLES)
    if (count < samplesMin) return false
    let slow = 0
    for (let i = 0; i < count; i++) if ((this.#samples[i] ?? 0) > thresholdMs) slow++
    return slow > SLOW_SHARE * count
  }

  /** The usual round trip, ms; `null` before the first. */
  get usualMs(): number | null {
    return median(this.#latest())
  }

  /** The usual difference between one round trip and the next, ms; `null` before the second. */
  get usualChangeMs(): number | null {
    const latest = this.#latest()
    return median(latest.slice(1).map((sample, index) => Math.abs(sample - (latest[index] ?? sample))))
  }

  /** Oldest first. */
  #latest(): number[] {
    const count = Math.min(this.#added, USUAL_SAMPLES)
    return Array.from({ length: count }, (_, index) => this.#samples[(this.#added - count + index) % SAMPLES] ?? 0)
  }
}

function median(samples: readonly number[]): number | null {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? null
}
