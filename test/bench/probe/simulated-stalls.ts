/**
 * Who stands still must not blame the link: the main thread of either end stalls (its socket goes on answering), or
 * its whole process freezes. It must never take the link for dead itself; that the peer does so after a while is right.
 */
import { type Measured, type Row, judge } from '../bench.ts'
import { sumOf } from '../statistics.ts'
import { runCells } from './cell-pool.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { type Setting, settledLink } from './simulated-link.ts'

const STALLS_MS = [100, 300, 1000, 2000, 3000] as const
const ROUND_TRIPS_MS = [20, 200] as const
/** After a freeze it takes this much, none to three times, until anything is read. */
const DEAF_STEP_MS = 100
const DEAF_STEPS = 4
/** Long enough for any verdict on it. */
const WATCH_MS = 10_000

interface StallTask extends Setting {
  readonly end: 'near' | 'far'
  readonly kind: 'stall' | 'freeze'
  readonly stallMs: number
  readonly stalls: number
}

interface StallResult {
  readonly stalls: number
  readonly ownDowns: number
  readonly peerDowns: number
  readonly peerDegraded: number
}

/** Each stall has a link of its own, since one that fell is held back and would not notice the next. */
export function runStallCell(task: StallTask): StallResult {
  const counts = { stalls: task.stalls, ownDowns: 0, peerDowns: 0, peerDegraded: 0 }
  for (let seed = 1; seed <= task.stalls; seed++) {
    const link = settledLink(seed, task)
    const began = link.now
    const end = link[task.end]
    if (task.kind === 'stall') end.stall(task.stallMs)
    else end.freeze(task.stallMs, (seed % DEAF_STEPS) * DEAF_STEP_MS)
    link.run(WATCH_MS)
    const peer = task.end === 'near' ? link.far : link.near
    counts.ownDowns += link[task.end].falls(began)
    counts.peerDowns += peer.falls(began)
    if (peer.when('degraded', began) !== undefined) counts.peerDegraded++
  }
  return counts
}

export async function measureStalls({ stalls }: ProbeSettings): Promise<Measured> {
  const settings = [true, false].flatMap((inUse) => ROUND_TRIPS_MS.map((rttMs): Setting => ({ inUse, rttMs })))
  const kinds = (['stall', 'freeze'] as const).flatMap((kind) => (['near', 'far'] as const).map((end) => ({ kind, end })))
  const cells = kinds.flatMap((kind) => STALLS_MS.map((stallMs) => ({ ...kind, stallMs })))
  const tasks = cells.flatMap((cell) => settings.map((setting): StallTask => ({ ...setting, ...cell, stalls })))
  const results = await runCells<StallResult>('stalls', tasks)
  const rows = cells.map(({ kind, end, stallMs }, cell): Row => {
    const own = results.slice(cell * settings.length, (cell + 1) * settings.length)
    const sum = (key: keyof StallResult): number => sumOf(own.map((result) => result[key]))
    const counts = { stalls: sum('stalls'), ownDowns: sum('ownDowns'), peerDowns: sum('peerDowns'), peerDegraded: sum('peerDegraded') }
    return { what: kind, end, stallMs, ...counts }
  })
  const times = sumOf(results.map((result) => result.stalls))
  const ownDowns = sumOf(results.map((result) => result.ownDowns))
  return {
    columns: COLUMNS,
    rows,
    judgements: [judge(`downs at the end that stood still itself (${times} stalls)`, ownDowns, 0, 'downs')],
    notes: [
      'stall: the main thread stands still; freeze: the whole process, which then reads nothing for up to 0.3 s; near is the end that probes',
      `over links in use and idle, round trips ${ROUND_TRIPS_MS.join(' and ')} ms; the peer is right to doubt a process that stands still`,
    ],
    charts: [],
  }
}

const COLUMNS = [
  { key: 'what', head: 'WHAT' },
  { key: 'end', head: 'END' },
  { key: 'stallMs', head: 'FOR ms' },
  { key: 'stalls', head: 'TIMES' },
  { key: 'ownDowns', head: 'OWN DOWNS' },
  { key: 'peerDowns', head: 'PEER DOWNS' },
  { key: 'peerDegraded', head: 'PEER DEGRADED' },
]
