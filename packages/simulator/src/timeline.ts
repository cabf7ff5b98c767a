/**
 * The virtual clock: milliseconds since the world began, moved on by nothing but the next event.
 */
import { EventQueue } from './event-queue.ts'

/**
 * Time is a multiple of 2⁻¹⁰ ms (about a microsecond), so that sums and differences of instants are exact: with
 * arbitrary fractions `now - sent >= timeout` may be false at the very instant `sent + timeout`.
 */
const TICKS_PER_MS = 1024

/** The first tick that is not before `time`. */
function tickAt(time: number): number {
  return Math.ceil(time * TICKS_PER_MS) / TICKS_PER_MS
}

/** The first tick that is surely after `time`, rounding errors of who computed it included. */
export function tickAfter(time: number): number {
  return (Math.floor(time * TICKS_PER_MS + 0.01) + 1) / TICKS_PER_MS
}

export class Timeline {
  readonly #events = new EventQueue()
  #now = 0
  #happened = 0

  get now(): number {
    return this.#now
  }

  get nextAt(): number {
    return this.#events.nextAt
  }

  /** Events that have happened so far: the measure of a simulator's work. */
  get happened(): number {
    return this.#happened
  }

  at(time: number, run: () => void): void {
    this.#events.plan(Math.max(tickAt(time), this.#now), run)
  }

  after(ms: number, run: () => void): void {
    this.at(this.#now + ms, run)
  }

  /** Moves the clock without an event, never back. */
  advance(to: number): void {
    this.#now = Math.max(this.#now, tickAt(to))
  }

  /** Lets the next event happen; false if there is none. */
  step(): boolean {
    const event = this.#events.take()
    if (!event) return false
    this.advance(event.at)
    this.#happened++
    event.run()
    return true
  }
}
