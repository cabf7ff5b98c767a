/**
 * What a measurement by the probe tool found out about one target: the words of `causeway probe -o json`. Raw counts
 * beside every ratio; what was not measured is `null`, never 0.
 */
import type { DelaySummary } from './delay-distribution.ts'

/** `forward` and `backward` are `null` where a target cannot tell; what lies after the last answer is in `total` only. */
export interface ByWay {
  readonly total: number | null
  readonly forward: number | null
  readonly backward: number | null
}

export interface ProbeReport {
  readonly target: string
  readonly sent: number
  /** Answers within the timeout, each packet once. */
  readonly received: number
  readonly lost: ByWay
  readonly lossRatio: ByWay
  readonly duplicated: number
  /** Answers that came after one to a later packet. */
  readonly reordered: number
  /** Answers after the timeout; these packets count as lost. */
  readonly late: number
  readonly rttMs: DelaySummary
  readonly jitterMs: {
    /** Of round trips, smoothed as RFC 3550, 6.4.1 says. */
    readonly rfc3550: number | null
    readonly p95MinusP50: number | null
  }
  /** Means; `null` unless both ends say that their clocks are synchronised. */
  readonly oneWayMs: { readonly forward: number; readonly backward: number; readonly uncertainty: number } | null
  /** What the far clock shows more than ours. */
  readonly clockOffsetMs: { readonly estimate: number; readonly uncertainty: number } | null
  /** Why the last packet that failed did, if that is known. */
  readonly fault: string | null
}
