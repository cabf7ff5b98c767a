/**
 * Loss of each direction by itself. Both ends number what they send (RFC 8762, 4.2), so that every packet which comes
 * tells how many were sent and how many of them arrived, of either direction:
 *
 *     forward  = 1 − arrived there / sent by us        backward = 1 − arrived here / sent by the peer
 *
 * Windows are 10 and 60 one-second buckets with running sums: constant work per packet, and nothing to do while
 * nothing comes. Reordering between two packets cancels out.
 */
import type { Instant } from '@causeway/protocol'

export interface LossRatio {
  readonly forward: number | null
  readonly backward: number | null
}

const BUCKET_MS = 1_000
const BUCKETS = 60
const SHORT_BUCKETS = 10
/** As in `LossTally`, in that order. */
const COUNTS = 4

/** By how much the counts of either direction have grown. */
export interface LossTally {
  forwardSent: number
  forwardArrived: number
  backwardSent: number
  backwardArrived: number
}

export class DirectionalLoss {
  /** Four counts for each bucket. */
  readonly #buckets = new Float64Array(COUNTS * BUCKETS)
  #short = emptyTally()
  #long = emptyTally()
  #bucket = 0

  add(now: Instant, growth: LossTally): void {
    this.#roll(now)
    const at = placeOf(this.#bucket)
    this.#buckets[at] = (this.#buckets[at] as number) + growth.forwardSent
    this.#buckets[at + 1] = (this.#buckets[at + 1] as number) + growth.forwardArrived
    this.#buckets[at + 2] = (this.#buckets[at + 2] as number) + growth.backwardSent
    this.#buckets[at + 3] = (this.#buckets[at + 3] as number) + growth.backwardArrived
    for (const tally of [this.#short, this.#long]) {
      tally.forwardSent += growth.forwardSent
      tally.forwardArrived += growth.forwardArrived
      tally.backwardSent += growth.backwardSent
      tally.backwardArrived += growth.backwardArrived
    }
  }

  /** Forgets all: an outage is not loss. */
  restart(): void {
    this.#buckets.fill(0)
    this.#short = emptyTally()
    this.#long = emptyTally()
  }

  /** Loss of the last 60 s. */
  longRatio(now: Instant): LossRatio {
    this.#roll(now)
    return ratioOf(this.#long)
  }

  /** Loss of the last 10 s, or of the last 60 s if the shorter window holds fewer than `probesMin` probes; with the number of probes. */
  recentRatio(now: Instant, probesMin: number): LossRatio & { readonly probes: number } {
    this.#roll(now)
    const tally = probesOf(this.#short) >= probesMin ? this.#short : this.#long
    return { ...ratioOf(tally), probes: probesOf(tally) }
  }

  #roll(now: Instant): void {
    const target = Math.floor(now / BUCKET_MS)
    if (target - this.#bucket >= BUCKETS) {
      this.restart()
      this.#bucket = target
    }
    while (this.#bucket < target) {
      this.#bucket++
      const oldest = placeOf(this.#bucket)
      this.#takeOff(this.#long, oldest)
      this.#buckets.fill(0, oldest, oldest + COUNTS)
      this.#takeOff(this.#short, placeOf(this.#bucket + BUCKETS - SHORT_BUCKETS))
    }
  }

  #takeOff(from: LossTally, at: number): void {
    from.forwardSent -= this.#buckets[at] as number
    from.forwardArrived -= this.#buckets[at + 1] as number
    from.backwardSent -= this.#buckets[at + 2] as number
    from.backwardArrived -= this.#buckets[at + 3] as number
  }
}

/** Where the counts of a bucket begin. */
function placeOf(bucket: number): number {
  return COUNTS * (bucket % BUCKETS)
}

function emptyTally(): LossTally {
  return { forwardSent: 0, forwardArrived: 0, backwardSent: 0, backwardArrived: 0 }
}

/** Whoever probes, one of the two directions counts every exchange. */
function probesOf(tally: LossTally): number {
  return Math.max(tally.forwardSent, tally.backwardSent)
}

function ratioOf(tally: LossTally): LossRatio {
  return {
    forward: lostShare(tally.forwardArrived, tally.forwardSent),
    backward: lostShare(tally.backwardArrived, tally.backwardSent),
  }
}

function lostShare(arrived: number, sent: number): number | null {
  return sent === 0 ? null : Math.min(1, Math.max(0, 1 - arrived / sent))
}
