/** How soon a link that has begun to lose a fifth of its packets is called degraded: both ways, or one. */
import type { Measured, Row } from '../bench.ts'
import { quantileOf } from '../statistics.ts'
import { runCells } from './cell-pool.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { SETTINGS, type Setting, WAYS, type Way, pathsOf, settledLink, useOf } from './simulated-link.ts'

const LOSS = 0.2
/** Whatever is not noticed by then counts as not noticed. */
const WATCH_MS = 60_000

interface BrownOutTask extends Setting {
  readonly way: Way
  readonly trials: number
}

/** Times to `degraded`, ms, at either end, of those that noticed; and falls, which would be too harsh. */
interface BrownOutResult {
  readonly near: readonly number[]
  readonly far: readonly number[]
  readonly downs: number
}

export function runBrownOutCell(task: BrownOutTask): BrownOutResult {
  const near: number[] = []
  const far: number[] = []
  let downs = 0
  for (let seed = 1; seed <= task.trials; seed++) {
    const link = settledLink(seed, task)
    const began = link.now
    for (const path of pathsOf(link, task.way)) path.loss = LOSS
    link.run(WATCH_MS)
    const nearAt = link.near.when('degraded', began)
    const farAt = link.far.when('degraded', began)
    if (nearAt !== undefined) near.push(nearAt - began)
    if (farAt !== undefined) far.push(farAt - began)
    downs += link.near.falls(began) + link.far.falls(began)
  }
  return { near, far, downs }
}

export async function measureBrownOuts({ trials }: ProbeSettings): Promise<Measured> {
  const settings = SETTINGS.filter(({ rttMs }) => rttMs > 1)
  const tasks = settings.flatMap((setting) => WAYS.map((way): BrownOutTask => ({ ...setting, way, trials })))
  const results = await runCells<BrownOutResult>('brownOuts', tasks)
  const rows = tasks.map((task, index): Row => {
    const { near, far, downs } = results[index] as BrownOutResult
    return {
      use: useOf(task),
      rttMs: task.rttMs,
      way: task.way,
      trials,
      nearMsP50: withinWatch(near, trials, 0.5),
      nearMsP90: withinWatch(near, trials, 0.9),
      nearMissed: trials - near.length,
      farMsP50: withinWatch(far, trials, 0.5),
      farMsP90: withinWatch(far, trials, 0.9),
      farMissed: trials - far.length,
      downs,
    }
  })
  const values = (key: string): (number | null)[] => rows.map((row) => row[key] as number | null)
  const chart = {
    title: '20 % loss to degraded, simulated',
    unit: 'ms',
    categories: tasks.map((task) => `${useOf(task)} ${task.rttMs} ${task.way}`),
    bars: ['near', 'far'].flatMap((end) =>
      ['P50', 'P90'].map((at) => ({ name: `${end} ${at.toLowerCase()}`, values: values(`${end}Ms${at}`) })),
    ),
  }
  const notes = [`missed: not called degraded within ${WATCH_MS / 1000} s; down: falls within that time, both ends together`]
  return { columns: COLUMNS, rows, judgements: [], notes, charts: [chart] }
}

/** A trial that was missed took longer than all the others. */
function withinWatch(times: readonly number[], trials: number, quantile: number): number | null {
  const missed = new Array<number>(trials - times.length).fill(Infinity)
  const value = quantileOf([...times, ...missed], quantile)
  return value === Infinity ? null : value
}

const COLUMNS = [
  { key: 'use', head: 'USE' },
  { key: 'rttMs', head: 'RTT ms' },
  { key: 'way', head: 'WAY' },
  { key: 'trials', head: 'TRIALS' },
  { key: 'nearMsP50', head: 'NEAR p50 ms' },
  { key: 'nearMsP90', head: 'p90' },
  { key: 'nearMissed', head: 'missed' },
  { key: 'farMsP50', head: 'FAR p50 ms' },
  { key: 'farMsP90', head: 'p90' },
  { key: 'farMissed', head: 'missed' },
  { key: 'downs', head: 'DOWN' },
]
