/** All faults upon one carrier, round by round: in a round each fault strikes once, so that no fault meets a worse network. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Lab } from '../../netlab/lab.ts'
import { quantileOf } from '../statistics.ts'
import type { Carrier } from './carrier.ts'
import { type Fault, type FaultRun, inflict } from './faults.ts'
import type { FlowRecord, WindowFigures } from './flow-record.ts'
import { ONE_HUB, SITES, TWO_HUBS, type Topology, linesOf } from './topology.ts'
import { WatchedFlow } from './watched-flow.ts'

const FAULTS_OF: Readonly<Record<Topology['name'], readonly Fault[]>> = {
  'one hub': ['first', 'last', 'relay', 'brown-out', 'drain'],
  'two hubs': ['middle'],
  sites: ['near-gateway', 'far-gateway'],
}
/** What is under way when a flow stops has come by then. */
const DRAIN_MS = 2_000
/** The delays of so long before a brown-out are the usual ones. */
const CLEAN_MS = 1_000
/** A brown-out's delays are those until so long after the flow had left the link, */
const MOVED_MS = 1_000
/** or of so long if it never has. */
const LOSSY_MS = 10_000

export interface Outcome extends WindowFigures {
  readonly carrier: string
  readonly mode: string
  readonly fault: Fault
  readonly recovered: boolean
  /** Share of the time in which something on this machine waited for a processor; `null`: not known. */
  readonly waitedRatio: number | null
  /** Of brown-outs. */
  readonly offMs: number | null
  /** The 99th percentile of the delay until the flow was off the link, and before. */
  readonly delayMsP99: number | null
  readonly cleanMsP99: number | null
}

type WatchedRun = FaultRun & Pick<Outcome, 'waitedRatio'>

export async function runCarrier(carrier: Carrier, rounds: number, faults: readonly Fault[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const topology of [ONE_HUB, TWO_HUBS, SITES]) {
    const own = FAULTS_OF[topology.name].filter((fault) => faults.includes(fault))
    if (own.length === 0) continue
    const most = carrier.roundsMax ?? rounds
    for (let done = 0; done < rounds; done += most)
      outcomes.push(...(await runNetwork(carrier, topology, own, Math.min(most, rounds - done))))
  }
  return outcomes
}

async function runNetwork(carrier: Carrier, topology: Topology, faults: readonly Fault[], rounds: number): Promise<Outcome[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cw-fo-'))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }))
  const lab = cleanup.use(await Lab.up(linesOf(topology)))
  const carriage = await carrier.start(lab, directory)
  cleanup.defer(() => carriage.stop?.())
  const flow = await WatchedFlow.start(lab, carriage, directory)
  cleanup.defer(() => flow.end())
  const runs: WatchedRun[] = []
  for (let round = 0; round < rounds; round++) {
    for (const fault of faults) {
      await carriage.ready?.()
      await flow.steady(carrier)
      const before = waitedMs()
      const began = performance.now()
      const run = await inflict(fault, { lab, carrier, carriage, flow })
      const waitedRatio = before === null ? null : ((waitedMs() ?? before) - before) / (performance.now() - began)
      runs.push({ ...run, waitedRatio })
      await pause(carrier.restMs)
    }
  }
  await flow.stop(DRAIN_MS)
  return runs.map((run) => outcomeOf(carrier, run, flow.record))
}

/** How long something that could run has waited for a processor, since the machine was started (Linux, pressure stall information). */
function waitedMs(): number | null {
  try {
    const [, microseconds] = /^some .*total=(\d+)/m.exec(readFileSync('/proc/pressure/cpu', 'utf8')) ?? []
    return microseconds === undefined ? null : Number(microseconds) / 1000
  } catch {
    return null
  }
}

function outcomeOf({ name, mode }: Carrier, { fault, window, recovered, offMs, waitedRatio }: WatchedRun, record: FlowRecord): Outcome {
  const { faultAt } = window
  const p99 = (from: number, to: number): number | null => quantileOf(record.delaysOf(from, to), 0.99)
  const lossy = fault === 'brown-out'
  return {
    carrier: name,
    mode,
    fault,
    recovered,
    waitedRatio,
    ...record.figures(window),
    offMs: offMs ?? null,
    delayMsP99: lossy ? p99(faultAt, faultAt + (offMs === undefined || offMs === null ? LOSSY_MS : offMs + MOVED_MS)) : null,
    cleanMsP99: lossy ? p99(faultAt - CLEAN_MS, faultAt) : null,
  }
}
