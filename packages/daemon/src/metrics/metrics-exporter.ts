/**
 * A scrape: reads the node once, and writes every family in the Prometheus text format. The hub that answers it also
 * forwards frames, so the writing gives way to other work every few milliseconds.
 *
 *  1. All samples of one answer are of the same instant.
 *  2. What is not measured has no sample: never 0, never NaN.
 *  3. Any number of scrapes at once costs as much as one: they get the same answer.
 *  4. Not more than `LINES_AT_ONCE` lines are written in one turn of the event loop.
 */
import { setImmediate } from 'node:timers/promises'
import type { Metric, Registry } from 'prom-client'
import type { DelayCounts } from '@causeway/protocol'
import { FORWARD_FAMILIES } from './forward-families.ts'
import { LINK_FAMILIES } from './link-families.ts'
import { type Labels, type MetricFamily, seconds } from './metric-family.ts'
import { NODE_FAMILIES } from './node-families.ts'
import type { NodeMetrics } from './node-metrics.ts'
import { TASK_FAMILIES } from './task-families.ts'

export const METRIC_FAMILIES: readonly MetricFamily[] = [...NODE_FAMILIES, ...LINK_FAMILIES, ...FORWARD_FAMILIES, ...TASK_FAMILIES]

const LINES_AT_ONCE = 500
const NONE: Labels = {}

/** A line of the text format, as prom-client takes it. It writes `sharedLabels` out once for all lines that have the same object. */
interface Line {
  readonly metricName?: string
  readonly sharedLabels?: Labels
  readonly labels: Labels
  readonly value: number
}

export class MetricsExporter {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8'
  readonly #source: () => NodeMetrics
  #registry: Promise<Registry> | undefined
  /** What the registry is to write next. */
  #lines: readonly Line[] = []
  #running: Promise<string> | undefined

  constructor(source: () => NodeMetrics) {
    this.#source = source
  }

  render(): Promise<string> {
    this.#running ??= this.#render().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #render(): Promise<string> {
    const registry = await (this.#registry ??= this.#load())
    const node = this.#source()
    const parts: string[] = []
    for (const family of METRIC_FAMILIES) {
      let heading = true
      for (const lines of slices(linesOf(family, node))) {
        this.#lines = lines
        const text = await registry.getSingleMetricAsString(family.name)
        parts.push(heading ? text : withoutHeading(text))
        heading = false
        await setImmediate()
      }
    }
    this.#lines = []
    return `${parts.join('\n')}\n`
  }

  /** With the first scrape: many a node is never asked. */
  async #load(): Promise<Registry> {
    const { Registry } = await import('prom-client')
    const registry = new Registry()
    for (const family of METRIC_FAMILIES) registry.registerMetric(this.#metricOf(family))
    return registry
  }

  /**
   * prom-client's own metrics count by themselves, and hold on to what they were last told. Ours only pass on what the
   * node has counted, so they implement the one method that the registry calls.
   */
  #metricOf({ name, help, type }: MetricFamily): Metric {
    const get = (): Promise<unknown> => Promise.resolve({ name, help, type, values: this.#lines })
    return { name, get } as unknown as Metric
  }
}

/** The lines in portions; an empty one if there are none, since a family is declared all the same. */
function* slices(lines: Iterable<Line>): Generator<readonly Line[]> {
  let slice: Line[] = []
  for (const line of lines) {
    if (slice.length === LINES_AT_ONCE) {
      yield slice
      slice = []
    }
    slice.push(line)
  }
  yield slice
}

/** Without the lines HELP and TYPE. */
function withoutHeading(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1)
}

function* linesOf(family: MetricFamily, node: NodeMetrics): Generator<Line> {
  if (family.type === 'histogram') {
    for (const [labels, delays] of family.read(node)) if (delays.count > 0) yield* histogramLines(family.name, labels, delays)
    return
  }
  for (const [labels, value] of family.read(node)) {
    if (value !== null && Number.isFinite(value)) yield { labels, value }
  }
}

function* histogramLines(name: string, sharedLabels: Labels, { boundsMs, counts, sumMs, count }: DelayCounts): Generator<Line> {
  const metricName = `${name}_bucket`
  let below = 0
  for (const [bucket, labels] of boundLabels(boundsMs).entries()) {
    below += counts[bucket] ?? 0
    yield { metricName, sharedLabels, labels, value: below }
  }
  yield { metricName: `${name}_sum`, sharedLabels, labels: NONE, value: seconds(sumMs) ?? 0 }
  yield { metricName: `${name}_count`, sharedLabels, labels: NONE, value: count }
}

const labelsOfBounds = new WeakMap<readonly number[], readonly Labels[]>()

/** The labels `le` of all buckets: the same for many histograms, and slow to write. */
function boundLabels(boundsMs: readonly number[]): readonly Labels[] {
  const known = labelsOfBounds.get(boundsMs)
  if (known) return known
  const labels = [...boundsMs.map((boundMs) => ({ le: String(seconds(boundMs)) })), { le: '+Inf' }]
  labelsOfBounds.set(boundsMs, labels)
  return labels
}
