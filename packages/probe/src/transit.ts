/**
 * One direction of a link, as two clocks that need not agree tell it. The difference of the stamps of departure and
 * arrival is the delay plus an unknown, almost constant offset; so its changes are real, and what lies above its
 * minimum is time spent in queues.
 *
 *     transit = arrived − sent        queue = usual transit − least transit of the last 20 s
 *
 * Clocks drift apart by 10–50 µs per second; over the window that may pose as 1 ms of queue, hence the allowance.
 */
import { type Instant, type Stamp, betweenStampsMs, instant } from '@causeway/protocol'
import { Jitter } from './jitter.ts'
import { RecentDelays } from './recent-delays.ts'
import { WindowedMinimum } from './windowed-minimum.ts'

/** Below this a queue may be drift. */
const DRIFT_MS = 1
/** Of 5 s each. */
const WINDOW_BUCKETS = 4
/** Another offset than this was another clock: its process was started anew. */
const JUMP_MS_MAX = 60_000

export class Transit {
  readonly #jitter = new Jitter()
  readonly #delays = new RecentDelays()
  #minimum = new WindowedMinimum(WINDOW_BUCKETS)
  #transitMs: number | undefined
  #offset = 0

  /** A packet left at `sent` on one clock and arrived at `arrived` on the other; `now` is ours. */
  add(now: Instant, sent: Stamp, arrived: Stamp): void {
    // The first packet fixes the offset, so that the rest are small numbers.
    const before = this.#transitMs
    if (before === undefined) this.#offset = arrived - sent
    const transitMs = betweenStampsMs(sent, arrived - this.#offset)
    if (before !== undefined && Math.abs(transitMs - before) > JUMP_MS_MAX) this.#restart()
    this.#transitMs = transitMs
    this.#jitter.add(instant(0), instant(transitMs))
    this.#delays.add(transitMs)
    this.#minimum.add(now, transitMs)
  }

  /** RFC 3550 jitter, ms; `null` before the second packet. */
  get jitterMs(): number | null {
    return this.#jitter.jitterMs
  }

  /** The usual difference between one packet and the next, ms; `null` before the second. */
  get usualChangeMs(): number | null {
    return this.#delays.usualChangeMs
  }

  /** What packets usually wait in queues at present, ms; `null` before the first. */
  queueMs(now: Instant): number | null {
    const usual = this.#delays.usualMs
    const least = this.#minimum.minimum(now)
    if (usual === null || least === null) return null
    return usual - least <= DRIFT_MS ? 0 : usual - least
  }

  #restart(): void {
    this.#delays.restart()
    this.#minimum = new WindowedMinimum(WINDOW_BUCKETS)
  }
}
