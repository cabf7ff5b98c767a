/**
 * The median of the latest samples, kept sorted as they come: a dozen moves per sample, and nothing to compute when it is
 * asked for, which is more often.
 */
export class RunningMedian {
  readonly #size: number
  /** In the order in which they came, as a ring. */
  readonly #ring: Float64Array
  readonly #sorted: Float64Array
  #added = 0

  constructor(size: number) {
    this.#size = size
    this.#ring = new Float64Array(size)
    this.#sorted = new Float64Array(size)
  }

  add(sample: number): void {
    const slot = this.#added % this.#size
    // The place that becomes free: of the sample that is forgotten, or behind the last.
    let place = this.#added < this.#size ? this.#added : this.#sorted.indexOf(this.#ring[slot] as number)
    const last = Math.min(this.#added, this.#size - 1)
    for (; place < last && at(this.#sorted, place + 1) < sample; place++) this.#sorted[place] = at(this.#sorted, place + 1)
    for (; place > 0 && at(this.#sorted, place - 1) > sample; place--) this.#sorted[place] = at(this.#sorted, place - 1)
    this.#sorted[place] = sample
    this.#ring[slot] = sample
    this.#added++
  }

  /** Of an even number of samples the upper one; `null` before the first. */
  get median(): number | null {
    return this.#added === 0 ? null : at(this.#sorted, Math.min(this.#added, this.#size) >> 1)
  }

  restart(): void {
    this.#added = 0
  }
}

function at(samples: Float64Array, index: number): number {
  return samples[index] as number
}
