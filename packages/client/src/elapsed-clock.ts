/**
 * Milliseconds that have passed in the world, for leases: the monotonic clock, and what it slept through.
 *
 * While a machine is suspended its monotonic clock may stand still, and a lease runs out unseen. The wall clock then is
 * ahead of it afterwards, and the difference is counted. A wall clock that is set forward counts as well: that ends a
 * lease too early, which harms nobody.
 */
export interface Clock {
  now(): number
  /** Calls back once, unless the returned function is called before. */
  after(ms: number, callback: () => void): () => void
}

/** Clocks that are slewed or read one after the other differ by less. */
const SUSPENDED_MS_MIN = 1_000

export class ElapsedClock implements Clock {
  readonly #monotonic: () => number
  readonly #wall: () => number
  #skippedMs = 0
  #aheadMs: number

  constructor(monotonic: () => number = () => performance.now(), wall: () => number = () => Date.now()) {
    this.#monotonic = monotonic
    this.#wall = wall
    this.#aheadMs = wall() - monotonic()
  }

  now(): number {
    const monotonic = this.#monotonic()
    const aheadMs = this.#wall() - monotonic
    const skippedMs = aheadMs - this.#aheadMs
    if (skippedMs >= SUSPENDED_MS_MIN) this.#skippedMs += skippedMs
    if (Math.abs(skippedMs) >= SUSPENDED_MS_MIN) this.#aheadMs = aheadMs
    return monotonic + this.#skippedMs
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  }
}
