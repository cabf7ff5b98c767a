/**
 * What a link that works is accused of, over link-days of loss: false `down`s, `degraded`s without a cause, and what
 * the probing of it costs. Bursty loss comes in spells of 100 ms in which half of the packets are lost (Gilbert and
 * Elliott), so often that the mean is the same as with independent loss.
 */
import type { LabLink } from '../../../packages/probe/src/lab-link.ts'
import { type Judgement, type Measured, type Row, judge } from '../bench.ts'
import { countBound95, sumOf } from '../statistics.ts'
import { runCells } from './cell-pool.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { DAY_MS, SETTINGS, type Setting, settledLink, useOf } from './simulated-link.ts'

/** So that all cores have something to do to the end. */
const DAYS_PER_TASK_MAX = 1
const SPELL_MS = 100
const SPELL_LOSS = 0.5
/** False downs of a link and day at up to 5 % of independent loss. */
const DOWNS_PER_DAY_MAX = 1
const JUDGED_LOSS_MAX = 0.05
const JUDGED_DAYS_MIN = 3

interface Loss {
  readonly ratio: number
  readonly bursty: boolean
}

const LOSSES: readonly Loss[] = [
  { ratio: 0, bursty: false },
  ...[0.01, 0.05, 0.1].flatMap((ratio) => [
    { ratio, bursty: false },
    { ratio, bursty: true },
  ]),
]

interface AlarmTask extends Setting {
  readonly loss: Loss
  readonly days: number
  readonly seed: number
}

/** Counts of events; `degraded` as the near end finds it. */
interface AlarmResult {
  readonly days: number
  readonly downsNear: number
  readonly downsFar: number
  readonly degraded: number
  readonly halfOpen: number
  readonly probesNear: number
  readonly probesFar: number
}

export function runAlarmCell(task: AlarmTask): AlarmResult {
  const link = settledLink(task.seed, task)
  const began = link.now
  const before = [sentBy(link.near), sentBy(link.far)] as const
  impair(link, task.loss)
  link.run(task.days * DAY_MS)
  return {
    days: task.days,
    downsNear: link.near.falls(began),
    downsFar: link.far.falls(began),
    degraded: link.near.changes.filter(({ at, state, previous }) => at >= began && state === 'degraded' && previous !== state).length,
    halfOpen: link.near.halfOpen + link.far.halfOpen,
    probesNear: sentBy(link.near) - before[0],
    probesFar: sentBy(link.far) - before[1],
  }
}

function impair(link: LabLink, { ratio, bursty }: Loss): void {
  if (ratio === 0) return
  for (const path of link.paths) {
    if (!bursty) path.loss = ratio
    else path.bursty = { goodMs: SPELL_MS * (SPELL_LOSS / ratio - 1), badMs: SPELL_MS, goodLoss: 0, badLoss: SPELL_LOSS }
  }
}

function sentBy({ sent }: LabLink['near']): number {
  return sent.udp + sent.control
}

export async function measureAlarms(settings: ProbeSettings): Promise<Measured> {
  const days = settings['link-days']
  const cells = SETTINGS.flatMap((setting) => LOSSES.map((loss) => ({ setting, loss })))
  const tasksPerCell = Math.ceil(days / DAYS_PER_TASK_MAX)
  const tasks = cells.flatMap(({ setting, loss }, cell) =>
    Array.from({ length: tasksPerCell }, (_, index): AlarmTask => ({
      ...setting,
      loss,
      days: days / tasksPerCell,
      seed: 1 + cell * 1009 + index,
    })),
  )
  const results = await runCells<AlarmResult>('alarms', tasks)
  const sums = cells.map((_, cell) => addUp(results.slice(cell * tasksPerCell, (cell + 1) * tasksPerCell)))
  const rows = cells.map(({ setting, loss }, cell) => rowOf(setting, loss, sums[cell] as AlarmResult))
  const judgements = judgementsOf(cells, sums)
  return {
    columns: COLUMNS,
    rows,
    judgements,
    notes: [
      'down: both ends together; "at most": the 95 % upper bound of the rate (of 0 events in n link-days, 3/n)',
      'loss is each way; bursty: spells of 100 ms that lose half of the packets',
      `${Math.round(sumOf(sums.map((sum) => sum.days)) * 100) / 100} link-days in all`,
      ...(judgements.length > 0 ? [] : [`too few to judge: "--link-days ${JUDGED_DAYS_MIN}" and more is`]),
    ],
    charts: [chartOf(cells, rows)],
  }
}

interface Cell {
  readonly setting: Setting
  readonly loss: Loss
}

function addUp(results: readonly AlarmResult[]): AlarmResult {
  const sum = (key: keyof AlarmResult): number => sumOf(results.map((result) => result[key]))
  return {
    days: sum('days'),
    downsNear: sum('downsNear'),
    downsFar: sum('downsFar'),
    degraded: sum('degraded'),
    halfOpen: sum('halfOpen'),
    probesNear: sum('probesNear'),
    probesFar: sum('probesFar'),
  }
}

function rowOf(setting: Setting, loss: Loss, { days, downsNear, downsFar, degraded, halfOpen, probesNear, probesFar }: AlarmResult): Row {
  const perSecond = (count: number): number => count / (days * (DAY_MS / 1000))
  return {
    use: useOf(setting),
    rttMs: setting.rttMs,
    loss: nameOf(loss),
    linkDays: days,
    downs: downsNear + downsFar,
    downsPerDay: (downsNear + downsFar) / days,
    downsPerDayAtMost: countBound95(downsNear + downsFar) / days,
    degraded,
    degradedPerDay: degraded / days,
    halfOpen,
    probesPerSecondNear: perSecond(probesNear),
    probesPerSecondFar: perSecond(probesFar),
  }
}

/**
 * Pooled over round trips. Judged is the upper bound of the rate, so that few events in a short time prove nothing: with
 * fewer than three link-days not even none would do.
 */
function judgementsOf(cells: readonly Cell[], sums: readonly AlarmResult[]): Judgement[] {
  return [true, false].flatMap((inUse) =>
    LOSSES.filter(({ ratio, bursty }) => !bursty && ratio <= JUDGED_LOSS_MAX).flatMap((loss) => {
      const pool = addUp(sums.filter((_, index) => cells[index]?.loss === loss && cells[index]?.setting.inUse === inUse))
      if (pool.days < JUDGED_DAYS_MIN) return []
      const downs = pool.downsNear + pool.downsFar
      const what = `false downs ${inUse ? 'in use' : 'idle'} at ${nameOf(loss)} (${downs} in ${pool.days} link-days), upper bound`
      return [judge(what, countBound95(downs) / pool.days, DOWNS_PER_DAY_MAX, 'a day')]
    }),
  )
}

function nameOf({ ratio, bursty }: Loss): string {
  return `${Math.round(ratio * 100)} %${bursty ? ' bursty' : ''}`
}

const COLUMNS = [
  { key: 'use', head: 'USE' },
  { key: 'rttMs', head: 'RTT ms' },
  { key: 'loss', head: 'LOSS' },
  { key: 'linkDays', head: 'LINK-DAYS', digits: 2 },
  { key: 'downs', head: 'DOWN' },
  { key: 'downsPerDay', head: 'a day', digits: 2 },
  { key: 'downsPerDayAtMost', head: 'at most', digits: 2 },
  { key: 'degraded', head: 'DEGRADED' },
  { key: 'degradedPerDay', head: 'a day', digits: 1 },
  { key: 'halfOpen', head: 'HALF OPEN' },
  { key: 'probesPerSecondNear', head: 'PROBES/s near', digits: 2 },
  { key: 'probesPerSecondFar', head: 'far', digits: 3 },
]

function chartOf(cells: readonly Cell[], rows: readonly Row[]): Measured['charts'][number] {
  const mean = (loss: Loss, inUse: boolean): number | null => {
    const own = rows.filter((_, index) => cells[index]?.loss === loss && cells[index]?.setting.inUse === inUse)
    return own.length === 0 ? null : sumOf(own.map((row) => row['degradedPerDay'] as number)) / own.length
  }
  return {
    title: 'Degraded without a cause, a day (mean over round trips), simulated',
    unit: 'a day',
    categories: LOSSES.map(nameOf),
    bars: [true, false].map((inUse) => ({ name: inUse ? 'in use' : 'idle', values: LOSSES.map((loss) => mean(loss, inUse)) })),
  }
}
