/** What a channel sends, and each time that it does. */
import type { Instant } from '@causeway/protocol'
import type { Departure } from './delivery-rate.ts'
import type { Path } from './path.ts'

export interface Segment {
  readonly sequence: number
  /** Nothing once it is acknowledged: what is remembered of its copies then must not hold on to the bytes. */
  payload: readonly Uint8Array[]
  readonly bytes: number
  readonly endOfStream: boolean
  readonly copies: Copy[]
}

export interface Copy {
  readonly packet: number
  /** `undefined` for what is not sent again. */
  readonly segment: Segment | undefined
  readonly bytes: number
  readonly path: Path
  readonly sentAt: Instant
  readonly departure: Departure
  /** Still counted as in flight on its path. */
  open: boolean
}
