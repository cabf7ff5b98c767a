/**
 * One run of the probe tool: a prober per target, all at once; what is printed while they work, and the verdict at
 * the end, the same with every output.
 */
import { CausewayError, instant } from '@causeway/protocol'
import {
  formatTarget,
  isStampSize,
  parseProbeTarget,
  type Prober,
  type ProbePlan,
  type ProbeReport,
  type ProbeTarget,
  StampProber,
  STAMP_BYTES,
  TcpProber,
} from '@causeway/daemon/probing'
import { ANSWER_NO, DONE, reportFault } from '../fault.ts'
import { print } from '../output.ts'
import { connectTo, untilInterrupted } from '../verb.ts'
import { NodeProber } from './node-prober.ts'
import { CSV_HEAD, csvRow, jsonDocument, jsonLine } from './report-document.ts'
import { promText } from './prom-text.ts'
import { reportLine, reportSummary } from './report-text.ts'
import { breaches, type Thresholds } from './thresholds.ts'

export type ProbeFormat = 'table' | 'json' | 'ndjson' | 'csv' | 'prom'

const SECOND_MS = 1_000
const REDRAW_MS = 200
/** Off a terminal a measurement ends by itself. */
const COUNT_OFF_TERMINAL = 10
const PING_BYTES_MAX = 16 * 1024

export interface ProbeRun {
  readonly targets: readonly string[]
  readonly plan: ProbePlan
  readonly thresholds: Thresholds
  readonly output: ProbeFormat
  readonly api: string | undefined
}

/** Returns the exit code. Throws `usage` before anything is sent. */
export async function runProbe(run: ProbeRun): Promise<number> {
  const targets = run.targets.map(parseProbeTarget)
  checkPlan(run.plan, targets)
  const live = run.output === 'table' && process.stdout.isTTY
  const { count, durationMs } = run.plan
  const plan = count === null && durationMs === null && !live ? { ...run.plan, count: COUNT_OFF_TERMINAL } : run.plan
  const probers = await Promise.all(targets.map((target) => createProber(target, plan, run.api)))
  const interrupted = untilInterrupted()
  const stopShowing = await show(run.output, live, probers)
  const ends = await Promise.allSettled(probers.map((prober) => prober.run(interrupted)))
  const reports = probers.map(({ tally }) => tally.report(now()))
  stopShowing()
  // Of a target that could not even be begun with, the fault is all there is to say.
  const begun = reports.filter(({ received }, i) => received > 0 || ends[i]?.status === 'fulfilled')
  if (begun.length > 0) await conclude(run.output, run.output === 'table' ? begun : reports)
  return verdict(reports, ends, run.thresholds)
}

async function createProber(target: ProbeTarget, plan: ProbePlan, api: string | undefined): Promise<Prober> {
  if (target.kind === 'stamp') return new StampProber(formatTarget(target), target, plan)
  if (target.kind === 'tcp') return new TcpProber(formatTarget(target), target, plan)
  return new NodeProber(target.name, await connectTo(api), plan)
}

// ---- while it goes on

/** Begins to show how it goes; returns what ends that. */
async function show(output: ProbeFormat, live: boolean, probers: readonly Prober[]): Promise<() => void> {
  const start = performance.now()
  const seconds = (): number => (performance.now() - start) / 1000
  const reports = (): ProbeReport[] => probers.map(({ tally }) => tally.report(now()))
  if (live) {
    const { LiveTable } = await import('./live-table.ts')
    const table = new LiveTable()
    const draw = (): void =>
      table.draw(
        seconds(),
        probers.map(({ tally }) => tally),
        reports(),
      )
    const ticker = setInterval(draw, REDRAW_MS)
    return () => {
      clearInterval(ticker)
      draw()
      table.end()
    }
  }
  if (output === 'csv') print(CSV_HEAD)
  const line = lineOf(output, seconds)
  const ticker = line && setInterval(() => print(reports().map(line).join('\n')), SECOND_MS)
  return () => clearInterval(ticker)
}

/** How a report a second is written; `undefined` for documents, which have no lines. */
function lineOf(output: ProbeFormat, seconds: () => number): ((report: ProbeReport) => string) | undefined {
  if (output === 'table') return (report) => reportLine(seconds(), report)
  if (output === 'ndjson') return (report) => jsonLine({ at: Date.now(), final: false, report })
  return output === 'csv' ? (report) => csvRow({ at: Date.now(), final: false, report }) : undefined
}

// ---- at the end

async function conclude(output: ProbeFormat, reports: readonly ProbeReport[]): Promise<void> {
  const at = Date.now()
  if (output === 'table') print(`\n${reports.map(reportSummary).join('\n\n')}`)
  else if (output === 'json') print(jsonDocument(reports))
  else if (output === 'prom') print(await promText(reports))
  else print(reports.map((report) => (output === 'csv' ? csvRow : jsonLine)({ at, final: true, report })).join('\n'))
}

function verdict(reports: readonly ProbeReport[], ends: readonly PromiseSettledResult<void>[], thresholds: Thresholds): number {
  let code = DONE
  for (const [i, report] of reports.entries()) {
    const end = ends[i]
    if (end?.status === 'rejected') {
      code = Math.max(code, reportFault(end.reason))
      continue
    }
    for (const breach of breaches(report, thresholds)) {
      process.stderr.write(`causeway: ${breach}.\n`)
      code = Math.max(code, ANSWER_NO)
    }
  }
  return code
}

// ---- what does not go together

function checkPlan(plan: ProbePlan, targets: readonly ProbeTarget[]): void {
  for (const target of targets) {
    const { kind, text } = target
    const refuse = (option: string, why: string, remedy: string): never => {
      throw new CausewayError('usage', `${option} does not go with ${text}: ${why}`, remedy)
    }
    const { bytes } = plan
    if (bytes !== null && kind === 'tcp') refuse('-s', 'a connection carries no packet of ours', 'leave it out')
    if (bytes !== null && kind === 'stamp' && !isStampSize(bytes)) {
      refuse('-s', `a STAMP packet has ${STAMP_BYTES} bytes, or ${STAMP_BYTES + 4} and more`, 'choose another size')
    }
    if (bytes !== null && kind === 'node' && bytes > PING_BYTES_MAX)
      refuse('-s', `a ping has at most ${PING_BYTES_MAX} bytes`, 'send fewer')
    if (plan.ports > 1 && kind === 'node') refuse('--ports', 'the mesh chooses its ways itself', 'probe stamp:// for them')
    if (plan.dscp !== null && kind === 'node') refuse('--dscp', 'its packets are those of the mesh', 'leave it out')
    if (plan.clockErrorMs !== null && kind !== 'stamp') refuse('--clock-error', 'only STAMP says how good clocks are', 'leave it out')
  }
}

function now(): ReturnType<typeof instant> {
  return instant(performance.now())
}
