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
  return {
    rttMs: {
      last: track.roundTrip.lastMs,
      smoothed: track.roundTrip.smoothedMs,
      min: track.minimum.minimum(now),
      p50: track.histogram.quantile(now, 0.5),
      p95: track.histogram.quantile(now, 0.95),
      p99: track.histogram.quantile(now, 0.99),
    },
    jitterMs: track.jitterMs,
    lossRatio: track.loss.longRatio(now),
  }
}

export const UNMEASURED: MonitorView = {
  rttMs: { last: null, smoothed: null, min: null, p50: null, p95: null, p99: null },
  jitterMs: null,
  lossRatio: { forward: null, backward: null },
}

/**
 * Cost of sending over the link, ms per direction (what waits in its queue is the sender's to add):
 *
 *     rtt/2 + jitter + hop + stall · RTO,   stall = 1 − (1 − forward loss)³
 *
 * with the usual round trip and its usual change (medians, see `RecentDelays`), so that a stray does not move traffic.
 * Jitter not measured yet counts as the variance of the round trip: expensive, never free.
 */
export function costOf(track: ProbeTrack, now: Instant, config: MonitorConfig): number | null {
  const rttMs = track.delays.usualMs
  if (rttMs === null) return null
  const jitterMs = track.delays.usualChangeMs ?? track.roundTrip.varianceMs ?? 0
  const loss = track.loss.recentRatio(now, config.degradedProbesMin).forward ?? 0
  const stall = 1 - (1 - loss) ** STALL_TRIES
  return rttMs / 2 + jitterMs + config.hopMs + stall * track.timeoutMs()
}

/** What is wrong with a link that answers, in words; `undefined` if nothing is. */
export function faultOf(track: ProbeTrack, now: Instant, config: MonitorConfig): string | undefined {
  const loss = track.loss.recentRatio(now, config.degradedProbesMin)
  const worst = Math.max(loss.forward ?? 0, loss.backward ?? 0)
  if (loss.probes >= config.degradedProbesMin && worst > lossThreshold(loss.probes, config)) {
    return `loses ${Math.round(100 * (loss.forward ?? 0))} % forward and ${Math.round(100 * (loss.backward ?? 0))} % backward`
  }
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
