/**
 * How far two clocks are apart, from packets that went there and back: as in NTP (RFC 5905, 8 and 10), the quickest
 * round trip is the most honest, because what delayed the others delayed them one way only.
 *
 *     offset = ((received − sent) + (transmitted − arrived)) / 2,   known to ± roundTrip / 2
 *
 * A sample's bound grows while it ages, by 15 ppm (PHI of RFC 5905): so far may a clock drift unseen.
 */
import type { Instant } from '@causeway/protocol'

const BUCKET_MS = 5_000
const BUCKETS = 12
const DRIFT_RATIO = 15e-6

/** The four times of one exchange, wall clock of whichever end took them. */
export interface ExchangeTimes {
  readonly sentAt: number
  readonly receivedAt: number
  readonly transmittedAt: number
  readonly arrivedAt: number
}

export interface OffsetEstimate {
  /** What the far clock shows more than ours. */
  readonly offsetMs: number
  /** The truth lies within so much of it, either way. */
  readonly uncertaintyMs: number
}

interface Sample {
  readonly at: Instant
  readonly bucket: number
  readonly offsetMs: number
  readonly boundMs: number
}

export class ClockOffset {
  /** The best of each five seconds, oldest first. */
  #samples: Sample[] = []

  add(now: Instant, { sentAt, receivedAt, transmittedAt, arrivedAt }: ExchangeTimes): void {
    const roundTripMs = arrivedAt - sentAt - (transmittedAt - receivedAt)
    // A clock that was set meanwhile shows times that cannot be.
    if (!(roundTripMs >= 0) || transmittedAt < receivedAt) return
    const offsetMs = (receivedAt - sentAt + (transmittedAt - arrivedAt)) / 2
    const sample = { at: now, bucket: Math.floor(now / BUCKET_MS), offsetMs, boundMs: roundTripMs / 2 }
    const last = this.#samples.at(-1)
    if (last?.bucket === sample.bucket) {
      if (sample.boundMs <= bound(now, last)) this.#samples[this.#samples.length - 1] = sample
      return
    }
    this.#samples = [...this.#samples.filter(({ bucket }) => bucket > sample.bucket - BUCKETS), sample]
  }

  /** `null` if nothing was measured in the last minute. */
  estimate(now: Instant): OffsetEstimate | null {
    let best: Sample | undefined
    for (const sample of this.#samples) {
      if (sample.bucket <= Math.floor(now / BUCKET_MS) - BUCKETS) continue
      if (!best || bound(now, sample) <= bound(now, best)) best = sample
    }
    return best ? { offsetMs: best.offsetMs, uncertaintyMs: bound(now, best) } : null
  }
}

function bound(now: Instant, { at, boundMs }: Sample): number {
  return boundMs + DRIFT_RATIO * (now - at)
}
