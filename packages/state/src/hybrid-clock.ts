/**
 * A hybrid logical clock: wall time where it can be, logical where it must. A stamp is larger than every stamp this
 * node has given out or seen, so that a write that saw another one wins over it.
 *
 *     tick:     ms' = max(wall, ms);  counter' = ms' = ms ? counter + 1 : 0
 *     receive:  (ms', counter') = max((ms, counter), received)
 *
 *  1. Stamps of one clock strictly increase.
 *  2. A received stamp more than `AHEAD_MS_MAX` ahead of our wall clock does not move the clock: one node with a wrong
 *     date must not drag the network into the future.
 */
export const AHEAD_MS_MAX: number = 25 * 60_000

export class HybridClock {
  #ms = 0
  #counter = 0

  /** Of the largest stamp given out or seen. */
  get ms(): number {
    return this.#ms
  }

  /** Stamps that are given out from now on are larger than any of that millisecond, however far ahead it is. */
  pass(ms: number): void {
    if (this.#ms > ms) return
    this.#ms = ms + 1
    this.#counter = 0
  }

  tick(wallMs: number): { readonly ms: number; readonly counter: number } {
    const wall = Math.max(0, Math.floor(wallMs))
    if (wall > this.#ms) {
      this.#ms = wall
      this.#counter = 0
    } else {
      this.#counter += 1
    }
    return { ms: this.#ms, counter: this.#counter }
  }

  /** False if the stamp is too far ahead to be believed. */
  receive(stamp: { readonly ms: number; readonly counter: number }, wallMs: number): boolean {
    if (stamp.ms > wallMs + AHEAD_MS_MAX) return false
    if (stamp.ms > this.#ms) {
      this.#ms = stamp.ms
      this.#counter = stamp.counter
    } else if (stamp.ms === this.#ms && stamp.counter > this.#counter) {
      this.#counter = stamp.counter
    }
    return true
  }
}
