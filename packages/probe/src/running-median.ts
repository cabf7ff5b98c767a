/**
 * The median of the latest samples. Samples come more often than anybody asks, and are asked for more often than once:
 * so it is worked out when it is asked for, and kept until the next sample.
 */
export class RunningMedian {
  readonly #size: number
  /** In the order in which they came, as a ring. */
  readonly #ring: Float64Array
  #added = 0
  #median: number | undefined

  constructor(size: number) {
    this.#size = size
    this.#ring = new Float64Array(size)
  }

  add(sample: number): void {
    this.#ring[this.#added++ % this.#size] = sample
    this.#median = undefined
  }

  /** Of an even number of samples the upper one; `null` before the first. */
  get median(): number | null {
    const count = Math.min(this.#added, this.#size)
    if (count === 0) return null
    this.#median ??= this.#ring.slice(0, count).sort()[count >> 1]
    return this.#median ?? null
  }

  restart(): void {
    this.#added = 0
    this.#median = undefined
  }
}
