/**
 * Percentiles of the recent past: two histograms of half a window each. New samples go to the younger one; when its
 * half is over, the older one is emptied and becomes the younger. What is reported covers 30 to 60 s.
 */
import type { Instant } from '@causeway/protocol'
import { LogHistogram } from './log-histogram.ts'

const HALF_MS = 30_000

export class RotatingHistogram {
  #young = new LogHistogram()
  #old = new LogHistogram()
  #half: number | undefined

  add(now: Instant, sampleMs: number): void {
    this.#rotate(now)
    this.#young.add(sampleMs)
  }

  quantile(now: Instant, quantile: number): number | null {
    this.#rotate(now)
    return this.#young.quantile(quantile, this.#old)
  }

  #rotate(now: Instant): void {
    const half = Math.floor(now / HALF_MS)
    const passed = half - (this.#half ?? half)
    this.#half = half
    if (passed <= 0) return
    if (passed > 1) this.#young.clear()
    const old = this.#old
    this.#old = this.#young
    this.#young = old
    this.#young.clear()
  }
}
