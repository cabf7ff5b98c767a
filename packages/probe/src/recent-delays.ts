/**
 * The last 50 round trips, to tell quickly whether their p95 is above a threshold: it is if more than 5 % of them
 * are. On a link in use that is 10 s, on an idle one most of a minute.
 */
const SAMPLES = 50
const SLOW_SHARE = 0.05

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
}
