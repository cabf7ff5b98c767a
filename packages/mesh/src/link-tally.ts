/**
 * What has been counted on a link since the start of the process. Every connection has a monitor of its own, which
 * counts from zero; a link outlives them all, and its counters must never go back, or each reconnection would look
 * like a burst of probes to whoever computes rates.
 *
 *  1. No counter of `ways` or `transitions` is ever smaller than it was, provided that each monitor is retired once.
 */
import type { DelayCounts, LinkState, ProbeWay, WayMetrics } from '@causeway/protocol'

export type WayCounts = Readonly<Record<ProbeWay, WayMetrics>>

export class LinkTally {
  readonly #transitions: Record<LinkState, number> = { probing: 0, up: 0, degraded: 0, down: 0 }
  #state: LinkState = 'down'
  #past: WayCounts | undefined

  /** To be told the state after whatever may have changed it. A link begins as down. */
  observe(state: LinkState): void {
    if (state === this.#state) return
    this.#state = state
    this.#transitions[state]++
  }

  /** A monitor ends; this is what it has counted. */
  retire(counts: WayCounts): void {
    this.#past = this.#plus(counts)
  }

  /** How often the link took each state. */
  get transitions(): Readonly<Record<LinkState, number>> {
    return { ...this.#transitions }
  }

  /** All together; `current` is what the present monitor has counted, if there is one. Empty before the first. */
  ways(current: WayCounts | undefined): Partial<WayCounts> {
    return current ? this.#plus(current) : (this.#past ?? {})
  }

  #plus(current: WayCounts): WayCounts {
    const past = this.#past
    if (!past) return current
    return { udp: addWays(past.udp, current.udp), control: addWays(past.control, current.control) }
  }
}

function addWays(a: WayMetrics, b: WayMetrics): WayMetrics {
  return {
    sent: a.sent + b.sent,
    received: a.received + b.received,
    duplicated: a.duplicated + b.duplicated,
    reordered: a.reordered + b.reordered,
    stray: a.stray + b.stray,
    rtt: addDelays(a.rtt, b.rtt),
  }
}

function addDelays(a: DelayCounts, b: DelayCounts): DelayCounts {
  return {
    boundsMs: a.boundsMs,
    counts: a.counts.map((count, bucket) => count + (b.counts[bucket] ?? 0)),
    sumMs: a.sumMs + b.sumMs,
    count: a.count + b.count,
  }
}
