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
    return (this.#median ??= this.#sort(count)[count >> 1] as number)
  }

  /** By insertion: for so few the quickest. */
  #sort(count: number): Float64Array {
    const sorted = new Float64Array(count)
    for (let size = 0; size < count; size++) {
      const sample = this.#ring[size] as number
      let at = size
      for (; at > 0 && (sorted[at - 1] as number) > sample; at--) sorted[at] = sorted[at - 1] as number
      sorted[at] = sample
    }
    return sorted
  }

  restart(): void {
    this.#added = 0
    this.#median = undefined
  }
}
