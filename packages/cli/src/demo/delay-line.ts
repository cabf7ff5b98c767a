/**
 * A delay line: what goes in comes out after a fixed time, in order. It can be held, as a cut link holds what TCP
 * keeps trying to send: nothing comes out then, nothing is lost, and after the release it takes the delay once more.
 *
 *  1. Items come out in the order in which they went in, each once.
 *  2. No item comes out before `delayMs` have passed since it went in, nor before `delayMs` since the last release.
 *  3. Nothing comes out while the line is held.
 */
import { performance } from 'node:perf_hooks'

export class DelayLine<Item> {
  readonly #delayMs: number
  readonly #deliver: (item: Item) => void
  #waiting: { readonly item: Item; readonly dueMs: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #held = false
  #releasedMs = Number.NEGATIVE_INFINITY

  constructor(delayMs: number, deliver: (item: Item) => void) {
    this.#delayMs = delayMs
    this.#deliver = deliver
  }

  get length(): number {
    return this.#waiting.length
  }

  push(item: Item): void {
    this.#waiting.push({ item, dueMs: performance.now() + this.#delayMs })
    this.#schedule()
  }

  hold(): void {
    this.#held = true
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#releasedMs = performance.now()
    this.#schedule()
  }

  clear(): void {
    this.#waiting = []
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #schedule(): void {
    const first = this.#waiting[0]
    if (this.#held || this.#timer || !first) return
    const dueMs = Math.max(first.dueMs, this.#releasedMs + this.#delayMs)
    this.#timer = setTimeout(() => this.#flush(), Math.max(0, Math.ceil(dueMs - performance.now())))
  }

  /** Delivers all that is due. The receiver may hold, clear or push meanwhile. */
  #flush(): void {
    this.#timer = undefined
    const now = performance.now()
    while (!this.#held) {
      const first = this.#waiting[0]
      if (!first || Math.max(first.dueMs, this.#releasedMs + this.#delayMs) > now) break
      this.#waiting.shift()
      this.#deliver(first.item)
    }
    this.#schedule()
  }
}
