/**
 * Config pushed everywhere: one node writes, all others watch. Time is taken with one clock, that of the demo: from
 * the call of PUT to the watch event at each replica, so it includes the writer's disk, both APIs and every hop.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { milliseconds } from '../quantity.ts'
import { percentile, summarise } from '../statistics.ts'
import { renderTable } from '../table.ts'
import type { NodeProcess } from './node-process.ts'
import type { Play } from './scene.ts'
import { pathDelayMs } from './topology.ts'

const WRITES = 20
const INTERVAL_MS = 120
const ARRIVE_MS_MAX = 15_000

export interface ReplicateFigures {
  readonly writes: number
  readonly replicas: number
  /** Writes that arrived, over all replicas; `writes * replicas` if all did. */
  readonly arrived: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /** From the acknowledgement to the writer instead of from the call. */
  readonly afterAcknowledgedMs: { readonly p50: number | null; readonly p99: number | null }
  readonly perReplica: readonly {
    readonly node: string
    readonly p50Ms: number | null
    readonly p99Ms: number | null
    readonly pathOneWayMs: number
  }[]
}

interface Watcher {
  readonly node: NodeProcess
  /** When each key was seen. */
  readonly seen: Map<string, number>
  /** Resolves when the initial state is in. */
  readonly ready: Promise<void>
}

export const playReplicate: Play<ReplicateFigures> = async ({ network, say }) => {
  const [site = ''] = network.topology.sites
  const writer = network.nodesOf(site)[0] as NodeProcess
  const stop = new AbortController()
  const watchers = network.nodes.filter((node) => node !== writer).map((node) => watch(node, stop.signal))
  try {
    await Promise.race([Promise.all(watchers.map(({ ready }) => ready)), sleep(ARRIVE_MS_MAX, undefined, { ref: false })])
    const called = new Map<string, number>()
    const acknowledged = new Map<string, number>()
    for (let i = 0; i < WRITES; i++) {
      const key = `demo/push-${i}`
      say(`${writer.name} writes ${i + 1} of ${WRITES}`)
      called.set(key, performance.now())
      await writer.client.collection('config').put(key, { bitrate: 64_000 + i }, { partition: 'global' })
      acknowledged.set(key, performance.now())
      await sleep(INTERVAL_MS)
    }
    const until = performance.now() + ARRIVE_MS_MAX
    while (watchers.some(({ seen }) => seen.size < WRITES) && performance.now() < until) await sleep(50)

    const perReplica = watchers.map(({ node, seen }) => {
      const { p50, p99 } = summarise(since(called, seen))
      return { node: node.name, p50Ms: p50, p99Ms: p99, pathOneWayMs: pathDelayMs(network.topology, site, node.spec.site) }
    })
    const all = watchers.flatMap(({ seen }) => since(called, seen)).toSorted((a, b) => a - b)
    const after = watchers.flatMap(({ seen }) => since(acknowledged, seen)).toSorted((a, b) => a - b)
    const figures: ReplicateFigures = {
      writes: WRITES,
      replicas: watchers.length,
      arrived: all.length,
      p50Ms: percentile(all, 0.5),
      p99Ms: percentile(all, 0.99),
      afterAcknowledgedMs: { p50: percentile(after, 0.5), p99: percentile(after, 0.99) },
      perReplica,
    }
    return {
      held: figures.arrived === WRITES * watchers.length,
      line: `${WRITES} writes, ${figures.arrived} of ${WRITES * watchers.length} arrivals; p50 ${milliseconds(figures.p50Ms)} ms, p99 ${milliseconds(figures.p99Ms)} ms`,
      figures,
      details: replicaTable(perReplica),
    }
  } finally {
    stop.abort()
  }
}

function watch(node: NodeProcess, signal: AbortSignal): Watcher {
  const seen = new Map<string, number>()
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  const follow = async (): Promise<void> => {
    for await (const event of node.client.collection('config').watch({ partition: 'global', signal })) {
      if (event.type === 'BOOKMARK') resolve()
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue
      const { key } = event.record
      if (key.startsWith('demo/push-') && !seen.has(key)) seen.set(key, performance.now())
    }
  }
  // A watch that breaks shows as arrivals that are missing.
  follow().catch(() => resolve())
  return { node, seen, ready }
}

function since(starts: ReadonlyMap<string, number>, seen: ReadonlyMap<string, number>): readonly number[] {
  return [...seen].map(([key, at]) => at - (starts.get(key) ?? at))
}

function replicaTable(replicas: ReplicateFigures['perReplica']): string {
  const rows = replicas.map(({ node, p50Ms, p99Ms, pathOneWayMs }) => [
    node,
    milliseconds(p50Ms),
    milliseconds(p99Ms),
    milliseconds(pathOneWayMs),
  ])
  return renderTable(['REPLICA', '>P50 ms', '>P99 ms', '>PATH, one way ms'], rows)
}
