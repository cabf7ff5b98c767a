/**
 * Delay of each way, as the stamps of both ends tell it. Worth something only if both ends say that an outside source
 * sets their clocks: then the error of the difference is at most the sum of what they claim. A claim that the times
 * themselves disprove is not believed.
 */
import type { ExchangeTimes } from './clock-offset.ts'

export interface OneWayMs {
  readonly forward: number
  readonly backward: number
  readonly uncertainty: number
}

export class OneWayDelay {
  #count = 0
  #forwardSum = 0
  #backwardSum = 0
  #uncertaintyMs = 0

  /** One exchange, and by how much the two clocks may differ together. */
  add({ sentAt, receivedAt, transmittedAt, arrivedAt }: ExchangeTimes, uncertaintyMs: number): void {
    this.#count++
    this.#forwardSum += receivedAt - sentAt
    this.#backwardSum += arrivedAt - transmittedAt
    this.#uncertaintyMs = Math.max(this.#uncertaintyMs, uncertaintyMs)
  }

  /** Means; `null` if there is none, or none that can be. */
  mean(): OneWayMs | null {
    if (this.#count === 0) return null
    const forward = this.#forwardSum / this.#count
    const backward = this.#backwardSum / this.#count
    const uncertainty = this.#uncertaintyMs
    return Math.min(forward, backward) < -uncertainty ? null : { forward, backward, uncertainty }
  }
}
