/**
 * The measurement as a table on a terminal, a row per target, drawn again in place. Targets and numbers come first;
 * the sparkline takes what is left of the width, and goes if that is too little.
 */
import { stripVTControlCharacters } from 'node:util'
import { createLogUpdate } from 'log-update'
import type { ProbeReport, ProbeTally } from '@causeway/daemon/probing'
import { tint } from '../colour.ts'
import { duration, milliseconds, percent } from '../quantity.ts'
import { sparkline } from '../sparkline.ts'
import { renderTable } from '../table.ts'

const SPARK_LEAST = 8
const GAP = 2
const HEAD = ['TARGET', '>SENT', '>LOST', '>LOSS', '>FWD', '>BACK', '>LAST', '>P50', '>P95', '>JITTER'] as const

export class LiveTable {
  readonly #stream: NodeJS.WriteStream
  readonly #update: ReturnType<typeof createLogUpdate>

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream
    this.#update = createLogUpdate(stream)
  }

  draw(seconds: number, tallies: readonly ProbeTally[], reports: readonly ProbeReport[]): void {
    this.#update(liveTable(seconds, tallies, reports, this.#stream.columns))
  }

  /** Leaves the last picture where it is. */
  end(): void {
    this.#update.done()
  }
}

/** The picture, for a terminal of that width. */
export function liveTable(seconds: number, tallies: readonly ProbeTally[], reports: readonly ProbeReport[], columns: number): string {
  const lines = renderTable([...HEAD], reports.map(cells)).split('\n')
  const [head = '', ...rows] = lines
  const used = Math.max(...lines.map((line) => stripVTControlCharacters(line).length)) + GAP
  const room = columns - used - 1
  const fits = room >= SPARK_LEAST
  const picture = rows.map((row, i) => (fits ? `${padded(row, used)}${spark(tallies[i], room)}` : row))
  const foot = `${duration(seconds)}; times in ms; × lost, · on its way. Ctrl-C ends it with a summary.`
  return [tint('strong', fits ? `${padded(head, used)}ROUND TRIPS` : head), ...picture, tint('faint', foot)].join('\n')
}

function cells({ target, sent, lost, lossRatio, rttMs, jitterMs }: ProbeReport): string[] {
  const count = (value: number | null): string => (value === null ? '-' : value > 0 ? tint('bad', String(value)) : String(value))
  const times = [rttMs.last, rttMs.p50, rttMs.p95, jitterMs.rfc3550].map(milliseconds)
  return [target, String(sent), count(lost.total), percent(lossRatio.total), count(lost.forward), count(lost.backward), ...times]
}

function spark(tally: ProbeTally | undefined, width: number): string {
  const delays = (tally?.recent ?? []).map(({ rttMs }) => rttMs)
  return sparkline(delays, width)
    .map(({ text, kind }) => (kind === 'block' ? tint('good', text) : tint(kind === 'lost' ? 'bad' : 'faint', text)))
    .join('')
}

function padded(line: string, width: number): string {
  return line + ' '.repeat(Math.max(0, width - stripVTControlCharacters(line).length))
}
