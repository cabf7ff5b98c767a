/**
 * What is told of a link: its figures, what it costs to send over it, and whether it is worse than it should be.
 */
import type { Instant } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'
import type { MonitorView } from './monitor-contract.ts'
import type { ProbeTrack } from './probe-track.ts'

/** Tries of a packet before its loss is felt as a stall; `n` of the formula below. */
const STALL_TRIES = 3

export function measuresOf(track: ProbeTrack, now: Instant): MonitorView {
  const minMs = track.minimum.minimum(now)
  const queueMs = { forward: track.forwardQueueMs(now), backward: track.backward.queueMs(now) }
  const oneWayMs = (waitMs: number | null): number | null => (minMs === null || waitMs === null ? null : minMs / 2 + waitMs)
  return {
    rttMs: {
      last: track.roundTrip.lastMs,
      smoothed: track.roundTrip.smoothedMs,
      min: minMs,
      p50: track.histogram.quantile(now, 0.5),
      p95: track.histogram.quantile(now, 0.95),
      p99: track.histogram.quantile(now, 0.99),
    },
    jitterMs: track.jitterMs,
    lossRatio: track.loss.longRatio(now),
    queueMs,
    oneWayMs: {
      forward: oneWayMs(queueMs.forward),
      backward: oneWayMs(queueMs.backward),
      uncertainty: minMs === null ? null : minMs / 2,
    },
  }
}

export const UNMEASURED: MonitorView = {
  rttMs: { last: null, smoothed: null, min: null, p50: null, p95: null, p99: null },
  jitterMs: null,
  lossRatio: { forward: null, backward: null },
  queueMs: { forward: null, backward: null },
  oneWayMs: { forward: null, backward: null, uncertainty: null },
}

/**
 * Cost of sending over the link, ms, one way (`forward` is ours):
 *
 *     base/2 + queue + jitter + hop + stall · RTO,   base = round trip − both queues,   stall = 1 − (1 − loss)³
 *
 * with the usual round trip, queue and change (medians, see `RecentDelays`), so that a stray does not move traffic. What
 * is not measured in that direction alone counts as half of the round trip's; jitter not measured yet counts as the
 * variance of the round trip: expensive, never free.
 */
export function costOf(track: ProbeTrack, now: Instant, config: MonitorConfig, way: 'forward' | 'backward'): number | null {
  const rttMs = track.delays.usualMs
  if (rttMs === null) return null
  const forwardMs = track.forwardQueueMs(now) ?? 0
  const backwardMs = track.backward.queueMs(now) ?? 0
  const baseMs = Math.max(0, rttMs - forwardMs - backwardMs)
  const jitterMs = track[way].usualChangeMs ?? track.delays.usualChangeMs ?? track.roundTrip.varianceMs ?? 0
  const loss = track.loss.recentRatio(now, config.degradedProbesMin)[way] ?? 0
  const stall = 1 - (1 - loss) ** STALL_TRIES
  return baseMs / 2 + (way === 'forward' ? forwardMs : backwardMs) + jitterMs + config.hopMs + stall * track.timeoutMs()
}

/** Whether a link that answers loses too much, in words; `undefined` if it does not. */
export function lossFaultOf(track: ProbeTrack, now: Instant, config: MonitorConfig): string | undefined {
  const loss = track.loss.recentRatio(now, config.degradedProbesMin)
  const worst = Math.max(loss.forward ?? 0, loss.backward ?? 0)
  if (loss.probes < config.degradedProbesMin || worst <= lossThreshold(loss.probes, config)) return undefined
  return `loses ${Math.round(100 * (loss.forward ?? 0))} % forward and ${Math.round(100 * (loss.backward ?? 0))} % backward`
}

/** Whether a link that answers is much slower than it can be, in words; `undefined` if it is not. */
export function delayFaultOf(track: ProbeTrack, now: Instant, config: MonitorConfig): string | undefined {
  const minMs = track.minimum.minimum(now)
  if (minMs === null) return undefined
  const thresholdMs = Math.max(config.degradedDelayFactor * minMs, minMs + config.degradedDelayMs)
  if (!track.delays.p95Exceeds(thresholdMs, config.degradedProbesMin)) return undefined
  return `p95 of the round trip is above ${Math.round(thresholdMs)} ms, its minimum is ${minMs.toFixed(1)} ms`
}

/** `p + k·√(p(1 − p)/n)`: of n probes, a share of p lost may look like this by chance. */
function lossThreshold(probes: number, config: MonitorConfig): number {
  const ratio = config.degradedLossRatio
  return ratio + config.degradedLossSigmas * Math.sqrt((ratio * (1 - ratio)) / probes)
}
