/**
 * What a link is worth: round trip, loss, jitter and liveness, from timestamps. One `LinkMonitor` per link says when
 * to probe it, learns from replies, and tells whether it is up, degraded or down, and why.
 *
 * @example
 * const monitor = new LinkMonitor(now, random, { probes: true })
 * for (const effect of monitor.handle(now, WAKE)) if (effect.type === 'probe') send(effect.via, effect.probe)
 * // the peer answers each probe with `reflector.reply(now, arrived, probe, 0)`, and tells its own monitor of it
 * monitor.handle(later, { type: 'reply', via: 'control', at: arrivedAt, reply })
 */
export { DelayBuckets } from './delay-buckets.ts'
export { HISTOGRAM_ERROR_RATIO, LogHistogram } from './log-histogram.ts'
export { Jitter } from './jitter.ts'
export { FlapHold } from './flap-hold.ts'
export { IdleBeat } from './idle-beat.ts'
export { UNMEASURED } from './link-measures.ts'
export { LinkMonitor } from './link-monitor.ts'
export { MONITOR_DEFAULTS, type MonitorConfig } from './monitor-config.ts'
export type { LinkPast, MonitorEffect, MonitorInput, MonitorOptions, MonitorView, Via } from './monitor-contract.ts'
export { Reflector } from './reflector.ts'
export { WindowedMinimum } from './windowed-minimum.ts'
