/**
 * How long a silent cut goes unnoticed: both ways, or one, on links in use and idle. Each seed is a link of its own,
 * cut at another phase of its probing. Both ends must find out, also the one that still hears the other.
 */
import { type Judgement, type Measured, type Row, judge } from '../bench.ts'
import { maxOf, quantileOf } from '../statistics.ts'
import { runCells } from './cell-pool.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { SETTINGS, type Setting, WAYS, type Way, pathsOf, settledLink, useOf } from './simulated-link.ts'

/** Long past any verdict. */
const WATCH_MS = 8_000

interface DetectionTask extends Setting {
  readonly way: Way
  readonly trials: number
}

/** Times from the cut to `down`, ms; a trial without one is only missing. */
interface DetectionResult {
  readonly near: readonly number[]
  readonly far: readonly number[]
}

export function runDetectionCell(task: DetectionTask): DetectionResult {
  const near: number[] = []
  const far: number[] = []
  for (let seed = 1; seed <= task.trials; seed++) {
    const link = settledLink(seed, task)
    const cutAt = link.now
    for (const path of pathsOf(link, task.way)) path.cut = true
    link.run(WATCH_MS)
    for (const [end, times] of [
      [link.near, near],
      [link.far, far],
    ] as const) {
      const downAt = end.when('down', cutAt)
      if (downAt !== undefined) times.push(downAt - cutAt)
    }
  }
  return { near, far }
}

export interface DetectionBound {
  readonly p50: number
  readonly p99: number
}

/** In use: half of them within 0.5 s and two round trips, nearly all within 0.65 s and two round trips; idle 0.8 s more. */
export function detectionBoundMs({ inUse, rttMs }: Setting): DetectionBound {
  const idleMs = inUse ? 0 : 800
  return { p50: 500 + idleMs + 2 * rttMs, p99: 650 + idleMs + 2 * rttMs }
}

export async function measureDetection({ trials }: ProbeSettings): Promise<Measured> {
  const tasks = SETTINGS.flatMap((setting) => WAYS.map((way): DetectionTask => ({ ...setting, way, trials })))
  const results = await runCells<DetectionResult>('detection', tasks)
  const rows: Row[] = []
  const judgements: Judgement[] = []
  for (const [index, task] of tasks.entries()) {
    const { near, far } = results[index] as DetectionResult
    const bound = detectionBoundMs(task)
    const name = `${useOf(task)}, round trip ${task.rttMs} ms, cut ${task.way}`
    for (const [end, times] of Object.entries({ near, far })) {
      const [p50, p99] = [quantileOf(times, 0.5), quantileOf(times, 0.99)]
      judgements.push(judge(`${name}, ${end} end, p50`, p50, bound.p50, 'ms'), judge(`${name}, ${end} end, p99`, p99, bound.p99, 'ms'))
    }
    judgements.push(judge(`${name}, cuts not noticed`, 2 * trials - near.length - far.length, 0, 'cuts'))
    rows.push({
      use: useOf(task),
      rttMs: task.rttMs,
      cut: task.way,
      trials,
      nearMsP50: quantileOf(near, 0.5),
      nearMsP99: quantileOf(near, 0.99),
      nearMsMax: maxOf(near),
      farMsP50: quantileOf(far, 0.5),
      farMsP99: quantileOf(far, 0.99),
      farMsMax: maxOf(far),
      boundMsP50: bound.p50,
      boundMsP99: bound.p99,
    })
  }
  return { columns: COLUMNS, rows, judgements, notes: ['near is the end that probes'], charts: [chartOf(rows, tasks)] }
}

const COLUMNS = [
  { key: 'use', head: 'USE' },
  { key: 'rttMs', head: 'RTT ms' },
  { key: 'cut', head: 'CUT' },
  { key: 'trials', head: 'TRIALS' },
  { key: 'nearMsP50', head: 'NEAR p50 ms' },
  { key: 'nearMsP99', head: 'p99' },
  { key: 'nearMsMax', head: 'max' },
  { key: 'farMsP50', head: 'FAR p50 ms' },
  { key: 'farMsP99', head: 'p99' },
  { key: 'farMsMax', head: 'max' },
  { key: 'boundMsP50', head: 'BOUND p50' },
  { key: 'boundMsP99', head: 'p99' },
]

function chartOf(rows: readonly Row[], tasks: readonly DetectionTask[]): Measured['charts'][number] {
  const values = (key: string): (number | null)[] => rows.map((row) => row[key] as number | null)
  return {
    title: 'Silent cut to down, simulated',
    unit: 'ms',
    categories: tasks.map((task) => `${useOf(task)} ${task.rttMs} ${task.way}`),
    bars: ['near', 'far'].flatMap((end) =>
      ['P50', 'P99'].map((at) => ({ name: `${end} ${at.toLowerCase()}`, values: values(`${end}Ms${at}`) })),
    ),
    marks: [{ name: 'bound p99', values: values('boundMsP99') }],
  }
}
