/**
 * How fast a way delivers, and how much it is therefore worth keeping on it:
 *
 *     window = rate · (1.5 · least round trip + 10 ms)
 *
 * as in BBR (draft-ietf-ccwg-bbr), with 10 ms on top because a node under load looks at its sockets every few
 * milliseconds only: without them a window of a LAN's round trip starves the line. The rate is the highest of late: what was
 * delivered between the departure of something and its arrival, over the time that took.
 */
import { WindowedMinimum } from '@causeway/probe'
import type { Instant } from '@causeway/protocol'

const RTT_FACTOR = 1.5
const TURN_MS = 10
const RATE_MEMORY_MS = 2_000
const RTT_WINDOWS = 2
/** Clocks are no finer, and turns no shorter. */
const INTERVAL_MS_MIN = 0.5

/** What had been delivered when something left; to be handed back when that has arrived. */
export interface Departure {
  readonly at: Instant
  readonly delivered: number
  readonly deliveredAt: Instant
}

export class DeliveryRate {
  /** Of the last 5 to 10 s: a way may become longer for good. */
  readonly #least = new WindowedMinimum(RTT_WINDOWS)
  #delivered = 0
  #deliveredAt: Instant | undefined
  #rate = 0
  #rateAt: Instant | undefined

  /** Something leaves; `first` if nothing else is out. */
  depart(now: Instant, first: boolean): Departure {
    const deliveredAt = first ? now : (this.#deliveredAt ?? now)
    return { at: now, delivered: this.#delivered, deliveredAt }
  }

  /** `bytes` have been delivered, and with them what left then, `rttMs` ago without the time the receiver took. */
  arrived(now: Instant, bytes: number, rttMs: number, departure: Departure): void {
    this.#delivered += bytes
    this.#deliveredAt = now
    this.#least.add(now, rttMs)
    const took = Math.max(now - departure.deliveredAt, now - departure.at, INTERVAL_MS_MIN)
    const rate = (this.#delivered - departure.delivered) / took
    if (rate < this.#rate && this.#rateAt !== undefined && now - this.#rateAt <= RATE_MEMORY_MS) return
    this.#rate = rate
    this.#rateAt = now
  }

  /** `undefined` before anything has arrived. */
  leastRttMs(now: Instant): number | undefined {
    return this.#least.minimum(now) ?? undefined
  }

  windowBytes(now: Instant): number {
    return this.#rate * (RTT_FACTOR * (this.#least.minimum(now) ?? 0) + TURN_MS)
  }
}
