/**
 * One metric as it is declared: name, type, labels, meaning, and how it is read from what a node says of itself. A
 * family keeps nothing: at each scrape it is read anew, so that a sample that cannot be had is absent from the answer
 * and not an old value or a zero.
 */
import type { DelayCounts } from '@causeway/protocol'
import type { NodeMetrics } from './node-metrics.ts'

export type Labels = Readonly<Record<string, string>>
/** `null`: not measured, left out. */
export type Sample = readonly [labels: Labels, value: number | null]
/** A histogram without samples is left out. */
export type DelaySample = readonly [labels: Labels, delays: DelayCounts]

interface Declaration {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

export type MetricFamily =
  | (Declaration & { readonly type: 'gauge' | 'counter'; readonly read: (node: NodeMetrics) => Iterable<Sample> })
  | (Declaration & { readonly type: 'histogram'; readonly read: (node: NodeMetrics) => Iterable<DelaySample> })

/** What Prometheus is told is in its base units. */
export function seconds(ms: number | null): number | null {
  // Twelve digits: more are only the rounding of the division.
  return ms === null ? null : Number((ms / 1000).toPrecision(12))
}

/** A value of the node as a whole, without labels. */
export function ofNode(read: (node: NodeMetrics) => number | null): (node: NodeMetrics) => Iterable<Sample> {
  return (node) => [[{}, read(node)]]
}
