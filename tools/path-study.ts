/**
 * How often is a relay quicker than the direct way? On the measured round trips between 490 sites, with hubs chosen well
 * among them: each next hub is the row that lowers the round trips of all pairs most (greedy). Paths are those that a hub
 * would plan, with the cost of each relay.
 *
 *     node_modules/.bin/node tools/path-study.ts [--hubs 3,5,8,12,20] [-o json]
 *
 * A relay wins where it is better by max(10 ms, 10 %) one way: what a node takes for worth a change.
 */
import { parseArgs } from 'node:util'
import { type Graph, disjointPaths } from '../packages/mesh/src/disjoint-paths.ts'
import { type NodeId, asNodeId } from '@causeway/protocol'
import { planetlab } from '@causeway/simulator'

/** What a relay costs, ms. */
const HOP_MS = 0.5
/** A pair that is farther apart was measured from a sick machine, or over a broken line. */
const RTT_MS_PLAUSIBLE = 400
const BETTER_MS = 10
const BETTER_RATIO = 0.1
/** Pairs by which hubs are chosen: every so manieth is enough. */
const PAIR_STRIDE = 13

interface Row {
  readonly hubs: number
  readonly pairs: number
  /** Share of pairs with a relayed path that is quicker at all, and by enough to be taken. */
  readonly quickerRatio: number
  readonly takenRatio: number
  /** Gain in round trip of the pairs that take it. */
  readonly gainMs: { readonly p50: number; readonly p90: number }
  readonly gainRatio: { readonly p50: number; readonly p90: number }
  /** Share of pairs with a second path that shares no hub, and what it costs more, in round trip. */
  readonly secondPathRatio: number
  readonly secondPathExtraMs: { readonly p50: number; readonly p90: number }
}

const matrix = planetlab()
const oneWayMs = Array.from({ length: matrix.size }, (_, i) =>
  Float64Array.from({ length: matrix.size }, (_, j) => usable(matrix.rttMs(i, j)) / 2),
)

function usable(rttMs: number | null): number {
  return rttMs !== null && rttMs > 0 && rttMs <= RTT_MS_PLAUSIBLE ? rttMs : Number.POSITIVE_INFINITY
}

function delayMs(i: number, j: number): number {
  return oneWayMs[i]?.[j] ?? Number.POSITIVE_INFINITY
}

function pairs(stride: number): (readonly [number, number])[] {
  const all: (readonly [number, number])[] = []
  let count = 0
  for (let i = 0; i < matrix.size; i++) {
    for (let j = i + 1; j < matrix.size; j++) if (delayMs(i, j) < Number.POSITIVE_INFINITY && count++ % stride === 0) all.push([i, j])
  }
  return all
}

function chooseHubs(count: number): number[] {
  const sample = pairs(PAIR_STRIDE)
  const best = sample.map(([i, j]) => delayMs(i, j))
  const hubs: number[] = []
  while (hubs.length < count) {
    let [chosen, chosenMs] = [-1, Number.POSITIVE_INFINITY]
    for (let row = 0; row < matrix.size; row++) {
      if (hubs.includes(row)) continue
      let sumMs = 0
      for (const [index, [i, j]] of sample.entries()) sumMs += Math.min(best[index] ?? 0, delayMs(i, row) + delayMs(row, j) + HOP_MS)
      if (sumMs < chosenMs) [chosen, chosenMs] = [row, sumMs]
    }
    hubs.push(chosen)
    for (const [index, [i, j]] of sample.entries())
      best[index] = Math.min(best[index] ?? 0, delayMs(i, chosen) + delayMs(chosen, j) + HOP_MS)
  }
  return hubs
}

function graphOver(hubs: readonly number[]): Graph {
  const cost = (from: number, to: number): number | undefined => {
    const ms = delayMs(from, to)
    return from === to || ms === Number.POSITIVE_INFINITY ? undefined : ms + (hubs.includes(to) ? HOP_MS : 0)
  }
  const relays = oneWayMs.map((_, from) => {
    const reached = hubs.flatMap((hub) => {
      const costMs = cost(from, hub)
      return costMs === undefined ? [] : [[asNodeId(hub), costMs] as const]
    })
    return new Map<NodeId, number>(reached)
  })
  return { cost, relays: (from) => relays[from], draining: () => false, domains: () => [] }
}

function study(hubs: readonly number[]): Row {
  const graph = graphOver(hubs)
  const gains: { ms: number; ratio: number }[] = []
  const extras: number[] = []
  let [count, quicker] = [0, 0]
  for (const [i, j] of pairs(1)) {
    if (hubs.includes(i) || hubs.includes(j)) continue
    count++
    const directMs = delayMs(i, j)
    const paths = disjointPaths(graph, { from: asNodeId(i), to: asNodeId(j), count: 2, hopsMax: 4 })
    const bestMs = paths[0]?.costMs ?? directMs
    if (bestMs < directMs) quicker++
    if (directMs - bestMs > Math.max(BETTER_MS, BETTER_RATIO * directMs)) {
      gains.push({ ms: 2 * (directMs - bestMs), ratio: 1 - bestMs / directMs })
    }
    if (paths[1]) extras.push(2 * (paths[1].costMs - bestMs))
  }
  const spread = (values: readonly number[]): { p50: number; p90: number } => ({ p50: quantile(values, 0.5), p90: quantile(values, 0.9) })
  return {
    hubs: hubs.length,
    pairs: count,
    quickerRatio: quicker / count,
    takenRatio: gains.length / count,
    gainMs: spread(gains.map(({ ms }) => ms)),
    gainRatio: spread(gains.map(({ ratio }) => ratio)),
    secondPathRatio: extras.length / count,
    secondPathExtraMs: spread(extras),
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function print(rows: readonly Row[]): void {
  const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`
  const both = ({ p50, p90 }: Row['gainMs'], tell: (value: number) => string): string => `${tell(p50)} / ${tell(p90)}`
  const whole = (ms: number): string => ms.toFixed(0)
  const cells = rows.map((row) => [
    String(row.hubs),
    percent(row.quickerRatio),
    percent(row.takenRatio),
    both(row.gainMs, whole),
    both(row.gainRatio, percent),
    both(row.secondPathExtraMs, whole),
  ])
  const heads = ['hubs', 'relay quicker', 'worth taking', 'gain ms p50/p90', 'gain p50/p90', '2nd path +ms p50/p90']
  for (const line of [heads, ...cells]) process.stdout.write(`${line.map((cell) => cell.padStart(21)).join('')}\n`)
  process.stdout.write(`${rows[0]?.pairs ?? 0} pairs of ${matrix.size} sites; round trips\n`)
}

const { values } = parseArgs({
  options: { hubs: { type: 'string', default: '3,5,8,12,20' }, output: { type: 'string', short: 'o', default: 'text' } },
})
const counts = values.hubs.split(',').map(Number)
if (counts.some((count) => !Number.isInteger(count) || count < 1 || count > 64)) {
  process.stderr.write('path-study: --hubs takes numbers from 1 to 64, like 3,8,20\n')
  process.exit(2)
}
const chosen = chooseHubs(Math.max(...counts))
const rows = counts.map((count) => study(chosen.slice(0, count)))
if (values.output === 'json') process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
else print(rows)
