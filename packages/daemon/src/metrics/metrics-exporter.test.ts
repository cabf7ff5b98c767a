import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fleetMetrics, linkMetrics, linkView, wayMetrics } from './fleet-metrics.ts'
import { METRIC_FAMILIES, MetricsExporter } from './metrics-exporter.ts'
import type { NodeMetrics } from './node-metrics.ts'
import { type ParsedFamily, parseExposition } from './parse-exposition.ts'

const NOTHING = { forward: null, backward: null }

async function scrape(node: NodeMetrics): Promise<Map<string, ParsedFamily>> {
  return parseExposition(await new MetricsExporter(() => node).render())
}

/** The samples of a family, by their labels. */
function values(families: Map<string, ParsedFamily>, name: string): Record<string, number> {
  const family = families.get(name)
  if (!family) throw new Error(`no family ${name}`)
  return Object.fromEntries(family.samples.map((sample) => [Object.values(sample.labels).join(' '), sample.value]))
}

describe('a scrape', () => {
  it('has every family exactly once, with samples in base units', async () => {
    const families = await scrape(fleetMetrics([linkMetrics('hkg-1-a')]))
    expect([...families.keys()]).toEqual(METRIC_FAMILIES.map(({ name }) => name))
    expect(values(families, 'causeway_link_state')).toEqual({
      'hkg-1-a probing': 0,
      'hkg-1-a up': 1,
      'hkg-1-a degraded': 0,
      'hkg-1-a down': 0,
    })
    expect(values(families, 'causeway_link_min_rtt_seconds')).toEqual({ 'hkg-1-a': 0.04025 })
    expect(values(families, 'causeway_link_state_since_timestamp_seconds')).toEqual({ 'hkg-1-a': 1_790_000_000.5 })
    expect(values(families, 'causeway_link_loss_ratio')).toEqual({ 'hkg-1-a forward': 0.01, 'hkg-1-a backward': 0 })
    expect(values(families, 'causeway_link_probes_sent_total')).toEqual({ 'hkg-1-a udp': 5, 'hkg-1-a control': 2 })
    expect(values(families, 'causeway_violations_total')).toMatchObject({ malformed: 3, 'bad-credential': 1, overflow: 0 })
    expect(values(families, 'causeway_datagrams_dropped_total')).toMatchObject({ unknown: 7, forged: 0 })
    expect(values(families, 'causeway_replica_lag_seconds')).toEqual({ '': 0.25 })
    expect(values(families, 'causeway_replica_writable')).toEqual({ '': 0 })
    expect(values(families, 'causeway_node_info')).toEqual({ 'core-1 lab core eu hub 1.2.3': 1 })
  })

  it('counts round trips in buckets of seconds that double, over all bounds only in +Inf', async () => {
    const families = await scrape(fleetMetrics([linkMetrics('hkg-1-a')]))
    const udp = families.get('causeway_link_rtt_seconds')?.samples.filter(({ labels }) => labels['way'] === 'udp') ?? []
    const buckets = udp.filter(({ name }) => name.endsWith('_bucket')).map(({ labels, value }) => [labels['le'], value])
    expect(buckets.slice(0, 2)).toEqual([
      ['0.00005', 0],
      ['0.0001', 0],
    ])
    expect(buckets.slice(9, 12)).toEqual([
      ['0.0256', 0],
      ['0.0512', 3],
      ['0.1024', 3],
    ])
    expect(buckets.slice(-2)).toEqual([
      ['52.4288', 3],
      ['+Inf', 4],
    ])
    expect(udp.find(({ name }) => name.endsWith('_sum'))?.value).toBe(90.127)
  })

  it('leaves out what is not measured, and keeps its own mistakes out of the answer', async () => {
    const view = {
      ...linkView('nrt-1-a'),
      state: 'down' as const,
      rttMs: { last: null, smoothed: null, min: null, p50: null, p95: null, p99: null },
      jitterMs: Number.NaN,
      lossRatio: NOTHING,
      queueMs: NOTHING,
      oneWayMs: { ...NOTHING, uncertainty: null },
      costMs: null,
    }
    const ways = { udp: wayMetrics([]), control: wayMetrics([3]) }
    const families = await scrape({
      ...fleetMetrics([{ view, transitions: {}, ways }]),
      datagramDrops: null,
      stampPackets: null,
      streamDrops: null,
      frames: { relayed: 0, dropped: {}, packetsDropped: {} },
    })
    const empty = [...families.values()].filter(({ samples }) => samples.length === 0).map(({ name }) => name)
    expect(empty.toSorted()).toEqual([
      'causeway_datagrams_dropped_total',
      'causeway_frames_dropped_total',
      'causeway_link_cost_seconds',
      'causeway_link_jitter_seconds',
      'causeway_link_loss_ratio',
      'causeway_link_min_rtt_seconds',
      'causeway_link_one_way_delay_seconds',
      'causeway_link_queue_seconds',
      'causeway_link_smoothed_rtt_seconds',
      'causeway_link_transitions_total',
      'causeway_node_gateway',
      'causeway_node_home_hub',
      'causeway_packets_dropped_total',
      'causeway_stamp_packets_total',
      'causeway_stream_sockets_dropped_total',
      'causeway_task_grants_total',
      'causeway_task_overlaps_total',
      'causeway_task_releases_total',
    ])
    expect(values(families, 'causeway_link_probes_sent_total')).toEqual({ 'nrt-1-a udp': 1, 'nrt-1-a control': 2 })
    expect(new Set(families.get('causeway_link_rtt_seconds')?.samples.map(({ labels }) => labels['way']))).toEqual(new Set(['control']))
  })

  it('writes large families in portions that read as one', async () => {
    // Two directions of 500 links fill portions exactly, those of 501 begin another.
    for (const count of [500, 501]) {
      const links = Array.from({ length: count }, (_, number) => linkMetrics(`site-${number}-a`))
      const families = await scrape(fleetMetrics(links))
      expect([...families.keys()]).toEqual(METRIC_FAMILIES.map(({ name }) => name))
      expect(families.get('causeway_link_loss_ratio')?.samples).toHaveLength(2 * count)
      expect(families.get('causeway_link_rtt_seconds')?.samples).toHaveLength(2 * count * 24)
    }
  })

  it('writes names of peers so that they can be read back', async () => {
    const odd = 'a "quoted" \\ name\nin two lines'
    const families = await scrape(fleetMetrics([linkMetrics(odd)]))
    expect(values(families, 'causeway_link_epochs_total')).toEqual({ [odd]: 2 })
  })

  it('reads the node once for all who ask at the same time, and anew for the next', async () => {
    let reads = 0
    const exporter = new MetricsExporter(() => {
      reads++
      return fleetMetrics([linkMetrics('hkg-1-a')])
    })
    const [first, second] = await Promise.all([exporter.render(), exporter.render()])
    expect(first).toBe(second)
    expect(reads).toBe(1)
    await exporter.render()
    expect(reads).toBe(2)
  })

  it('fails for those who asked, and only for them', async () => {
    let broken = true
    const exporter = new MetricsExporter(() => {
      if (broken) throw new Error('the node cannot be read')
      return fleetMetrics([])
    })
    await expect(exporter.render()).rejects.toThrow('cannot be read')
    broken = false
    expect(parseExposition(await exporter.render()).size).toBe(METRIC_FAMILIES.length)
  })
})

describe('docs/METRICS.md', () => {
  const text = readFileSync(new URL('../../../../docs/METRICS.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(causeway_\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map(
    ([, name, type, labels, unit, meaning, advice]) => ({ name, type, labels, unit, meaning, advice }),
  )

  it('lists every metric, and none that there is not', () => {
    const documented = rows.map(({ name, type, labels }) => `${name} ${type} ${labels}`)
    const served = METRIC_FAMILIES.map(
      ({ name, type, labels }) => `${name} ${type} ${labels.map((label) => `\`${label}\``).join(', ') || '–'}`,
    )
    expect(documented.toSorted()).toEqual(served.toSorted())
    expect(text.match(/^\| `causeway_/gm)).toHaveLength(rows.length)
  })

  it('gives the unit that the name says', () => {
    for (const { name, type, unit, meaning } of rows) {
      const suffix = ['seconds', 'bytes', 'ratio'].find((each) => name?.replace(/_total$/, '').endsWith(`_${each}`))
      expect(unit, name).toBe(suffix ?? (type === 'counter' ? 'count' : unit))
      expect(meaning?.length, name).toBeGreaterThan(10)
    }
  })

  it('names only metrics that there are, in its rules too', () => {
    const known = new Set(METRIC_FAMILIES.flatMap(({ name }) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]))
    for (const [name] of text.matchAll(/\bcauseway_\w+/g)) expect(known, name).toContain(name)
  })
})
