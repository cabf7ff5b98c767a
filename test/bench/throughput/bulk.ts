/** As many messages of one size as go through in a span of time, and the processor time that all hosts spend on it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Row } from '../bench.ts'
import { quantileOf, sumOf } from '../statistics.ts'
import { isEnd } from '../failover/topology.ts'
import { monotonicMs } from '../flow/flow-talk.ts'
import { cpuSecondsOf } from './cpu-time.ts'
import type { Hauler } from './hauler.ts'
import { type Line, inLine } from './in-line.ts'
import { lineOf } from './line.ts'

const FLOW = 'bulk'
/** Code is compiled and windows are open by then. */
const WARM_UP_MS = 2_000
/** What a flow has taken in has gone out by then. */
const DRAIN_MS = 1_000

export interface BulkFigures extends Span {
  readonly hauler: string
  readonly relays: number
  readonly messageBytes: number
}

interface Span {
  readonly bytesPerSecond: number
  readonly messagesPerSecond: number
  /** Seconds for 10⁹ bytes; of the hubs together. */
  readonly cpuPerGb: number
  readonly cpuPerGbA: number
  readonly cpuPerGbHubs: number
  readonly cpuPerGbB: number
}

/** One line for each number of relays and size of messages; of several runs the one with the median rate. */
export async function measureBulk(hauler: Hauler, seconds: number, runs: number): Promise<BulkFigures[]> {
  const figures: BulkFigures[] = []
  for (const relays of hauler.relays) {
    await inLine(
      lineOf(relays, 'veth'),
      (lab, directory) => hauler.start(lab, directory),
      async (line) => {
        for (const end of [line.a, line.b]) await end.order({ order: 'heed', flow: FLOW, how: 'count' })
        for (const messageBytes of hauler.sizes) {
          await line.a.order({ order: 'flood', flow: FLOW, bytes: messageBytes })
          await pause(WARM_UP_MS)
          const spans: Span[] = []
          for (let run = 0; run < runs; run++) spans.push(await over(line, seconds))
          await line.a.order({ order: 'stop', flow: FLOW })
          await pause(DRAIN_MS)
          figures.push({ hauler: hauler.name, relays, messageBytes, ...medianOf(spans) })
        }
      },
    )
  }
  return figures
}

function medianOf(spans: readonly Span[]): Span {
  const rates = spans.map(({ bytesPerSecond }) => bytesPerSecond)
  const median = quantileOf(rates, 0.5)
  return spans.find(({ bytesPerSecond }) => bytesPerSecond === median) as Span
}

async function over({ lab, b }: Line, seconds: number): Promise<Span> {
  const read = async (): Promise<{ at: number; bytes: number; messages: number; cpu: number[] }> => {
    const { bytes, messages } = await b.take(FLOW)
    return { at: monotonicMs(), bytes, messages, cpu: lab.hosts.map((host) => cpuSecondsOf(lab, host)) }
  }
  const before = await read()
  await pause(seconds * 1000)
  const after = await read()
  const bytes = after.bytes - before.bytes
  if (bytes === 0) throw new Error('nothing came through')
  const elapsed = (after.at - before.at) / 1000
  const perGb = (fits: (host: string) => boolean): number =>
    sumOf(lab.hosts.map((host, index) => (fits(host) ? (after.cpu[index] as number) - (before.cpu[index] as number) : 0))) / (bytes / 1e9)
  return {
    bytesPerSecond: bytes / elapsed,
    messagesPerSecond: (after.messages - before.messages) / elapsed,
    cpuPerGb: perGb(() => true),
    cpuPerGbA: perGb((host) => host === 'a'),
    cpuPerGbHubs: perGb((host) => !isEnd(host)),
    cpuPerGbB: perGb((host) => host === 'b'),
  }
}

export function rowOf(figures: BulkFigures): Row {
  return { ...figures, megabytesPerSecond: figures.bytesPerSecond / 1e6 }
}

export const BULK_COLUMNS = [
  { key: 'hauler', head: 'CARRIER' },
  { key: 'relays', head: 'RELAYS' },
  { key: 'messageBytes', head: 'MESSAGE bytes' },
  { key: 'megabytesPerSecond', head: 'MB/s', digits: 1 },
  { key: 'messagesPerSecond', head: 'MESSAGES/s' },
  { key: 'cpuPerGb', head: 'CPU s/GB', digits: 1 },
  { key: 'cpuPerGbA', head: 'SENDER', digits: 1 },
  { key: 'cpuPerGbHubs', head: 'RELAYS', digits: 1 },
  { key: 'cpuPerGbB', head: 'RECEIVER', digits: 1 },
]
