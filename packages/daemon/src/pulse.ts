/**
 * A sign of life from the main thread to the others: it writes down when it last ran, in memory that they share. A
 * thread that answers for a process can so say how long the process has stood still, instead of vouching for it.
 *
 * The memory is one 32-bit word: milliseconds of the main thread's monotonic clock, modulo 2³².
 */
import type { Instant } from '@causeway/protocol'

/** How often the main thread beats. */
export const PULSE_MS = 100
/** A beat may be late by this much on a healthy, busy machine. */
const SLACK_MS = 50

export class Pulse {
  readonly memory: SharedArrayBuffer
  readonly #word: Int32Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#word = new Int32Array(memory)
  }

  beat(now: Instant): void {
    Atomics.store(this.#word, 0, Math.floor(now) | 0)
  }

  /** How long ago the main thread last ran; 0 while it beats as it should. */
  ageMs(now: Instant): number {
    const sinceMs = (Math.floor(now) - Atomics.load(this.#word, 0)) | 0
    return sinceMs <= PULSE_MS + SLACK_MS ? 0 : sinceMs
  }
}
