/**
 * What a link tells whoever keeps records of it (the Prometheus exporter): the view that people see, and counters.
 * Counters are since the start of the process, over all connections of the link: they never go back, so that a rate
 * is the difference of two readings, whatever reconnected in between.
 */
import type { LinkState, LinkView } from './api.ts'

/** The way a probe takes: a datagram, or in-band on the control connection. */
export type ProbeWay = 'udp' | 'control'

/** Delays counted in buckets. */
export interface DelayCounts {
  /** Upper bounds of the buckets, ms, rising. */
  readonly boundsMs: readonly number[]
  /** Of each bucket by itself, not cumulative; one more than there are bounds, the last for what exceeds them all. */
  readonly counts: readonly number[]
  readonly sumMs: number
  readonly count: number
}

/** Our probes of a link over one way. */
export interface WayMetrics {
  readonly sent: number
  /** Each answered probe once. */
  readonly received: number
  readonly duplicated: number
  /** Of `received`: those that came after the reply to a later probe. */
  readonly reordered: number
  /** Replies that came too late, or to no probe of ours. */
  readonly stray: number
  /** Round trips, without the time that the peer took. */
  readonly rtt: DelayCounts
}

export interface LinkMetrics {
  readonly view: LinkView
  /** How often the link took each state. */
  readonly transitions: Readonly<Partial<Record<LinkState, number>>>
  readonly ways: Readonly<Partial<Record<ProbeWay, WayMetrics>>>
}

/** What went through a node, and what did not, by reason. */
export interface FrameCounts {
  readonly relayed: number
  readonly dropped: Readonly<Record<string, number>>
  /** Packets for this node that it could not open, or not any more. */
  readonly packetsDropped: Readonly<Record<string, number>>
}
