/**
 * Loss of each direction by itself. Both ends number what they send (RFC 8762, 4.2), so that a reply tells how many
 * probes we had sent, how many of them the reflector had answered, and that this one came back:
 *
 *     forward  = 1 − reflected / sent        backward = 1 − received / reflected
 *
 * `sent` and `reflected` are by how much the highest number seen has grown within the window, `received` the
 * replies that came. Reordering between two replies cancels out. Windows are 10 and 60 one-second buckets with
 * running sums: constant work per reply, and nothing to do while nothing comes.
 */
import type { Instant } from '@causeway/protocol'

export interface LossRatio {
  readonly forward: number | null
  readonly backward: number | null
}

const BUCKET_MS = 1_000
const BUCKETS = 60
const SHORT_BUCKETS = 10
/** A reflector number further off than this belongs to a restarted reflector: count anew. */
const RESTART_DISTANCE = 64

interface Tally {
  sent: number
  reflected: number
  received: number
}

export class DirectionalLoss {
  readonly #buckets: Tally[] = Array.from({ length: BUCKETS }, emptyTally)
  #short = emptyTally()
  #long = emptyTally()
  #bucket = 0
  #sequence: number | undefined
  #reflectorSequence = 0

  /** A reply came that was not a duplicate. */
  add(now: Instant, sequence: number, reflectorSequence: number): void {
    this.#roll(now)
    const sent = sequence - (this.#sequence ?? sequence - 1)
    const reflected = this.#sequence === undefined ? 1 : reflectorSequence - this.#reflectorSequence
    if (reflected < -RESTART_DISTANCE || reflected > Math.max(0, sent) + RESTART_DISTANCE) {
      this.#sequence = sequence
      this.#reflectorSequence = reflectorSequence
      return
    }
    const first = this.#sequence === undefined
    if (sent > 0) this.#sequence = sequence
    if (first || reflected > 0) this.#reflectorSequence = reflectorSequence
    const advance = { sent: Math.max(0, sent), reflected: Math.max(0, reflected), received: 1 }
    addTally(this.#bucketAt(this.#bucket), advance, 1)
    addTally(this.#short, advance, 1)
    addTally(this.#long, advance, 1)
  }

  /** Forgets all: an outage is not loss, and the numbers after it start from the next reply. */
  restart(): void {
    for (const bucket of this.#buckets) Object.assign(bucket, emptyTally())
    this.#short = emptyTally()
    this.#long = emptyTally()
    this.#sequence = undefined
  }

  /** Loss of the last 60 s. */
  longRatio(now: Instant): LossRatio {
    this.#roll(now)
    return ratioOf(this.#long)
  }

  /** Loss of the last 10 s, or of the last 60 s if the shorter window holds fewer than `probesMin` probes; with the number of probes. */
  recentRatio(now: Instant, probesMin: number): LossRatio & { readonly probes: number } {
    this.#roll(now)
    const tally = this.#short.sent >= probesMin ? this.#short : this.#long
    return { ...ratioOf(tally), probes: tally.sent }
  }

  #roll(now: Instant): void {
    const target = Math.floor(now / BUCKET_MS)
    if (target - this.#bucket >= BUCKETS) {
      for (const bucket of this.#buckets) Object.assign(bucket, emptyTally())
      this.#short = emptyTally()
      this.#long = emptyTally()
      this.#bucket = target
    }
    while (this.#bucket < target) {
      this.#bucket++
      const oldest = this.#bucketAt(this.#bucket)
      addTally(this.#long, oldest, -1)
      Object.assign(oldest, emptyTally())
      addTally(this.#short, this.#bucketAt(this.#bucket + BUCKETS - SHORT_BUCKETS), -1)
    }
  }

  #bucketAt(bucket: number): Tally {
    return this.#buckets[bucket % BUCKETS] as Tally
  }
}

function emptyTally(): Tally {
  return { sent: 0, reflected: 0, received: 0 }
}

function addTally(to: Tally, tally: Tally, sign: 1 | -1): void {
  to.sent += sign * tally.sent
  to.reflected += sign * tally.reflected
  to.received += sign * tally.received
}

function ratioOf(tally: Tally): LossRatio {
  return { forward: lostShare(tally.reflected, tally.sent), backward: lostShare(tally.received, tally.reflected) }
}

function lostShare(arrived: number, sent: number): number | null {
  return sent === 0 ? null : Math.min(1, Math.max(0, 1 - arrived / sent))
}
