/**
 * The last 50 round trips. They tell quickly whether their p95 is above a threshold: it is if more than 5 % of them
 * are; on a link in use that is 10 s, on an idle one most of a minute. And they tell what is usual now: the medians
 * of the last 15 follow a change within 8 samples and take no notice of a few strays, such as the first round trips
 * of two processes that have just started (a mean with weight 1/8 or 1/16 needs up to a minute to forget those).
 */
import { RunningMedian } from './running-median.ts'

const SAMPLES = 50
const SLOW_SHARE = 0.05
const USUAL_SAMPLES = 15

export class RecentDelays {
  readonly #samples = new Float64Array(SAMPLES)
  readonly #usual = new RunningMedian(USUAL_SAMPLES)
  readonly #usualChange = new RunningMedian(USUAL_SAMPLES - 1)
  #added = 0

  add(sampleMs: number): void {
    if (this.#added > 0) this.#usualChange.add(Math.abs(sampleMs - (this.#samples[(this.#added - 1) % SAMPLES] ?? sampleMs)))
    this.#usual.add(sampleMs)
    this.#samples[this.#added++ % SAMPLES] = sampleMs
  }

  restart(): void {
    this.#added = 0
    this.#usual.restart()
    this.#usualChange.restart()
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
    return this.#usual.median
  }

  /** The usual difference between one round trip and the next, ms; `null` before the second. */
  get usualChangeMs(): number | null {
    return this.#usualChange.median
  }
}
