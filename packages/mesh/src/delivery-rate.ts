/**
 * How fast a way delivers, and how much it is therefore worth keeping on it:
 *
 *     window = rate · (factor · least round trip + 10 ms)        factor: 1.5 of a path, 1 of a hop
 *
 * as in BBR (draft-ietf-ccwg-bbr), with 10 ms on top because a node under load looks at its sockets every few
 * milliseconds only: without them a window of a LAN's round trip starves the line. The rate is the highest of late: what was
 * delivered between the departure of something and its arrival, over the time that took. While something comes back as soon as
 * ever there is no queue, and the rate may be higher than anybody has tried: 2 least round trips.
 *
 * Such a window keeps a queue, and after a while nobody remembers the round trip without it: each time the window would grow by
 * half. So who has not seen the least round trip for a while lets the queue run dry, and looks (BBR's ProbeRTT). After that
 * the window opens little by little: what it lacks, sent at once, would be a queue of its own.
 */
import { WindowedMinimum } from '@causeway/probe'
import { type Instant, after } from '@causeway/protocol'

/** While there is no queue. */
const RTT_FACTOR_EMPTY = 2
/**
 * While there is one. What a path holds beyond a round trip waits where flows take turns, and keeps the line busy when somebody stands
 * still for a moment; what a hop holds beyond one waits on the line itself, ahead of everybody: short messages, and the probes that
 * tell what the link costs.
 */
export const RTT_FACTOR = { path: 1.5, hop: 1 } as const
const TURN_MS = 10
const RATE_MEMORY_MS = 2_000
const RTT_WINDOWS = 2
/** Clocks are no finer, and turns no shorter. */
const INTERVAL_MS_MIN = 0.5
/** A round trip within this of the least one is as good as that. */
const LEAST_RATIO = 1.05
const LEAST_MS = 1
/** It is looked for after so long without, in each window of the minimum … */
const LOOK_EVERY_MS = 4_000
/** … with so much of what a round trip holds, for so many round trips: one until the queue is empty, one until that is known. */
const LOOK_FACTOR = 0.75
const LOOK_RTTS = 2.5
const LOOK_MS_MAX = 1_000
/** And then that much more is sent than arrives: half as much again. */
const OPEN_RATIO = 0.5

/** What had been delivered when something left, when it was, and when that had left; to be handed back when it has arrived. */
export interface Departure {
  readonly at: Instant
  readonly delivered: number
  readonly deliveredAt: Instant
  readonly deliveredLeftAt: Instant
}

export class DeliveryRate {
  readonly #factor: number
  /** Of the last 5 to 10 s: a way may become longer for good. */
  readonly #least = new WindowedMinimum(RTT_WINDOWS)
  #delivered = 0
  #deliveredAt: Instant | undefined
  #deliveredLeftAt: Instant | undefined
  #rate = 0
  #rateAt: Instant | undefined
  /** When the least round trip was last seen. */
  #leastAt: Instant | undefined
  /** The end of the last look. */
  #lookUntil: Instant | undefined

  constructor(factor: number = RTT_FACTOR.path) {
    this.#factor = factor
  }

  /** Something leaves; `first` if nothing else is out. */
  depart(now: Instant, first: boolean): Departure {
    const deliveredAt = first ? now : (this.#deliveredAt ?? now)
    const deliveredLeftAt = first ? now : (this.#deliveredLeftAt ?? now)
    return { at: now, delivered: this.#delivered, deliveredAt, deliveredLeftAt }
  }

  /** `bytes` have been delivered, and with them what left then, `rttMs` ago without the time the receiver took. */
  arrived(now: Instant, bytes: number, rttMs: number, departure: Departure): void {
    this.#delivered += bytes
    this.#deliveredAt = now
    this.#deliveredLeftAt = departure.at
    this.#least.add(now, rttMs)
    this.#look(now, rttMs)
    // What arrived in one go may have left over a longer time (Cheng et al., draft-cheng-iccrg-delivery-rate-estimation, 3.1).
    const took = Math.max(now - departure.deliveredAt, departure.at - departure.deliveredLeftAt, now - departure.at, INTERVAL_MS_MIN)
    const rate = (this.#delivered - departure.delivered) / took
    if (rate < this.#rate && this.#rateAt !== undefined && now - this.#rateAt <= RATE_MEMORY_MS) return
    this.#rate = rate
    this.#rateAt = now
  }

  /** `undefined` before anything has arrived. */
  leastRttMs(now: Instant): number | undefined {
    return this.#least.minimum(now) ?? undefined
  }

  /** Something has arrived. */
  get measured(): boolean {
    return this.#rateAt !== undefined
  }

  /** What it delivers in so many milliseconds. */
  bytesIn(ms: number): number {
    return this.#rate * ms
  }

  windowBytes(now: Instant): number {
    const leastMs = this.#least.minimum(now) ?? 0
    const empty = this.#leastAt !== undefined && now - this.#leastAt <= leastMs
    const openMs = (empty ? RTT_FACTOR_EMPTY : this.#factor) * leastMs + TURN_MS
    if (this.#lookUntil === undefined) return this.bytesIn(openMs)
    return this.bytesIn(Math.min(openMs, LOOK_FACTOR * leastMs + OPEN_RATIO * Math.max(now - this.#lookUntil, 0)))
  }

  #look(now: Instant, rttMs: number): void {
    const leastMs = this.#least.minimum(now) ?? rttMs
    const looks = this.#lookUntil !== undefined && now < this.#lookUntil
    if (rttMs <= Math.max(LEAST_RATIO * leastMs, leastMs + LEAST_MS)) {
      this.#leastAt = now
      if (looks) this.#lookUntil = now
    } else if (!looks && now - Math.max(this.#leastAt ?? now, this.#lookUntil ?? -Infinity) >= LOOK_EVERY_MS) {
      this.#lookUntil = after(now, Math.min(LOOK_RTTS * rttMs, LOOK_MS_MAX))
    }
  }
}
