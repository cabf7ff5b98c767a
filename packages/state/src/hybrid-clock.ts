/**
 * A hybrid logical clock: wall time where it can be, logical where it must. A stamp is larger than every stamp this
 * node has given out or seen, so that a write that saw another one wins over it.
 *
 *     tick:     ms' = max(wall, ms);  counter' = ms' = ms ? counter + 1 : 0
 *     receive:  (ms', counter') = max((ms, counter), received)
 *
 *  1. Stamps of one clock strictly increase, until the wall clock is set back by more than `AHEAD_MS_MAX`.
 *  2. A received stamp more than `AHEAD_MS_MAX` ahead of our wall clock does not move the clock: one node with a wrong
 *     date must not drag the network into the future; nor itself, once its date is right again.
 *  3. What is written over such a stamp is dated a millisecond later, and does not move the clock either: who knew of a write
 *     wins over it, whatever its date.
 */
import type { Birth } from './entry.ts'

export const AHEAD_MS_MAX: number = 25 * 60_000

export class HybridClock {
  #ms = 0
  #counter = 0
  #latestMs = 0

  /** Of the latest stamp ever given out or believed. */
  get latestMs(): number {
    return Math.max(this.#ms, this.#latestMs)
  }

  /** The wall clock was set. */
  set(wallMs: number): void {
    if (this.#ms <= wallMs + AHEAD_MS_MAX) return
    this.#latestMs = this.latestMs
    this.#ms = Math.max(0, Math.floor(wallMs))
    this.#counter = 0
  }

  /** A stamp that is later than all before, and than those of `over`. */
  tick(wallMs: number, ...over: readonly (Birth | undefined)[]): Birth {
    const wall = Math.max(0, Math.floor(wallMs))
    if (wall > this.#ms) {
      this.#ms = wall
      this.#counter = 0
    } else {
      this.#counter += 1
    }
    const own = { ms: this.#ms, counter: this.#counter }
    const ms = over.reduce((latest, each) => (each && !isBelow(each, own) ? Math.max(latest, each.ms + 1) : latest), 0)
    if (ms === 0) return own
    this.#latestMs = Math.max(this.#latestMs, ms)
    return { ms, counter: 0 }
  }

  /** False if the stamp is too far ahead to be believed. */
  receive(stamp: Birth, wallMs: number): boolean {
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

function isBelow(a: Birth, b: Birth): boolean {
  return a.ms < b.ms || (a.ms === b.ms && a.counter < b.counter)
}
