/**
 * Wall clock with the resolution of the monotonic one: `Date.now()` alone shows whole milliseconds. Follows the
 * system's clock when that is set.
 */
const STEP_MS_MIN = 3

export class WallClock {
  #offsetMs = performance.timeOrigin

  /** Milliseconds since 1970, with fractions. */
  now(): number {
    const instant = performance.now()
    const coarse = Date.now()
    if (Math.abs(this.#offsetMs + instant - coarse) > STEP_MS_MIN) this.#offsetMs = coarse + 0.5 - instant
    return this.#offsetMs + instant
  }
}
