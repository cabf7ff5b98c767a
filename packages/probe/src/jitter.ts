/**
 * Interarrival jitter after RFC 3550, 6.4.1: how unevenly packets arrive that left evenly. Only differences of
 * each clock count, so the two clocks need not agree.
 *
 *     D = (arrived − arrived′) − (sent − sent′);  J = J + (|D| − J)/16
 */
import type { Instant } from '@causeway/protocol'

const GAIN = 1 / 16
/** A clock that jumps further than this was restarted or lies: no jitter is learnt from it. */
const JUMP_MS_MAX = 10_000

export class Jitter {
  #transitMs: number | undefined
  #jitterMs: number | null = null

  /** A packet, with its stamps on the clocks of its sender and its receiver. */
  add(sent: Instant, arrived: Instant): void {
    const transitMs = arrived - sent
    const before = this.#transitMs
    this.#transitMs = transitMs
    if (before === undefined) return
    const difference = Math.abs(transitMs - before)
    if (!(difference <= JUMP_MS_MAX)) return
    const jitterMs = this.#jitterMs ?? 0
    this.#jitterMs = jitterMs + GAIN * (difference - jitterMs)
  }

  /** `null` before the second packet. */
  get jitterMs(): number | null {
    return this.#jitterMs
  }
}
