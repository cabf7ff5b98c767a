/** What a bench and the process at either end of its flows say to each other. Clocks are the machine's monotonic one, ms. */
import type { FlowName } from './medium.ts'

export type FlowOrder =
  /** At `b` first: it must be there when `a` dials. */
  | { readonly order: 'open'; readonly flow: FlowName }
  /** What to do with messages that come: note each, only count, or send back. */
  | { readonly order: 'heed'; readonly flow: FlowName; readonly how: 'note' | 'count' | 'reflect' }
  /** Sends at a steady rate, on and on. */
  | { readonly order: 'pace'; readonly flow: FlowName; readonly intervalMs: number; readonly bytes: number }
  /** Sends as fast as it is taken, on and on. */
  | { readonly order: 'flood'; readonly flow: FlowName; readonly bytes: number }
  | { readonly order: 'stop'; readonly flow: FlowName }
  /** What has happened since the last time this was asked. */
  | { readonly order: 'take'; readonly flow: FlowName }

export interface FlowAnswer {
  readonly taken?: FlowNews
  readonly fault?: string
}

export interface FlowNews {
  /** When each was sent; the first of them has this number. */
  readonly firstSent: number
  readonly sentAt: Float64Array
  /** Of each that came, in the order in which they came; only if noted. */
  readonly sequences: Float64Array
  /** When it was sent, as it says itself. */
  readonly arrivalSentAt: Float64Array
  readonly arrivedAt: Float64Array
  /** All that came, noted or not, since the flow was opened. */
  readonly messages: number
  readonly bytes: number
}

/** `f64` number, `f64` time of sending; the rest is filler. */
export const STAMP_BYTES = 16

/** The clock that all processes share, read between two looks at our own that lie so close together. */
const BRACKET_MS = 0.005
/** `performance.now()` is quicker to ask; it differs from the shared clock by a constant. */
const BEGAN_MS = beganMs()

export function monotonicMs(): number {
  return BEGAN_MS + performance.now()
}

/** On a busy machine a process may be put aside between two statements. */
function beganMs(): number {
  for (;;) {
    const before = performance.now()
    const shared = process.hrtime.bigint()
    const after = performance.now()
    if (after - before <= BRACKET_MS) return Number(shared) / 1e6 - before
  }
}
