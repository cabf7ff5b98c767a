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

/** By how much the counts of either direction have grown. */
export interface LossTally {
  forwardSent: number
  forwardArrived: number
  backwardSent: number
  backwardArrived: number
}

export class DirectionalLoss {
  readonly #buckets: LossTally[] = Array.from({ length: BUCKETS }, emptyTally)
  #short = emptyTally()
  #long = emptyTally()
  #bucket = 0

  add(now: Instant, growth: LossTally): void {
    this.#roll(now)
    addTally(this.#bucketAt(this.#bucket), growth, 1)
    addTally(this.#short, growth, 1)
    addTally(this.#long, growth, 1)
  }

  /** Forgets all: an outage is not loss. */
  restart(): void {
    for (const bucket of this.#buckets) Object.assign(bucket, emptyTally())
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

  #bucketAt(bucket: number): LossTally {
    return this.#buckets[bucket % BUCKETS] as LossTally
  }
}

function emptyTally(): LossTally {
  return { forwardSent: 0, forwardArrived: 0, backwardSent: 0, backwardArrived: 0 }
}

function addTally(to: LossTally, tally: LossTally, sign: 1 | -1): void {
  to.forwardSent += sign * tally.forwardSent
  to.forwardArrived += sign * tally.forwardArrived
  to.backwardSent += sign * tally.backwardSent
  to.backwardArrived += sign * tally.backwardArrived
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
