/** Reports for programs, as JSON and as CSV. */
import type { ProbeReport } from '@causeway/daemon/probing'

/** A report with the wall clock (milliseconds since 1970) at which it was made; `final` for the last of a target. */
export interface TimedReport {
  readonly at: number
  readonly final: boolean
  readonly report: ProbeReport
}

export function jsonLine({ at, final, report }: TimedReport): string {
  return JSON.stringify({ at, final, ...report }, rounded)
}

export function jsonDocument(reports: readonly ProbeReport[]): string {
  return JSON.stringify({ targets: reports }, rounded, 2)
}

/** Nanoseconds and millionths: what is beyond is noise of floating point. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(6)) : value
}

/** Every leaf of a report, in a fixed order. */
const COLUMNS: readonly (readonly [name: string, of: (report: ProbeReport) => string | number | null])[] = [
  ['target', ({ target }) => target],
  ['sent', ({ sent }) => sent],
  ['received', ({ received }) => received],
  ['lost', ({ lost }) => lost.total],
  ['lostForward', ({ lost }) => lost.forward],
  ['lostBackward', ({ lost }) => lost.backward],
  ['lossRatio', ({ lossRatio }) => lossRatio.total],
  ['duplicated', ({ duplicated }) => duplicated],
  ['reordered', ({ reordered }) => reordered],
  ['late', ({ late }) => late],
  ['rttMsLast', ({ rttMs }) => rttMs.last],
  ['rttMsMin', ({ rttMs }) => rttMs.min],
  ['rttMsAvg', ({ rttMs }) => rttMs.avg],
  ['rttMsP50', ({ rttMs }) => rttMs.p50],
  ['rttMsP95', ({ rttMs }) => rttMs.p95],
  ['rttMsP99', ({ rttMs }) => rttMs.p99],
  ['rttMsMax', ({ rttMs }) => rttMs.max],
  ['rttMsStddev', ({ rttMs }) => rttMs.stddev],
  ['jitterMsRfc3550', ({ jitterMs }) => jitterMs.rfc3550],
  ['jitterMsP95MinusP50', ({ jitterMs }) => jitterMs.p95MinusP50],
  ['oneWayMsForward', ({ oneWayMs }) => oneWayMs?.forward ?? null],
  ['oneWayMsBackward', ({ oneWayMs }) => oneWayMs?.backward ?? null],
  ['clockOffsetMs', ({ clockOffsetMs }) => clockOffsetMs?.estimate ?? null],
  ['fault', ({ fault }) => fault],
]

export const CSV_HEAD: string = ['at', 'final', ...COLUMNS.map(([name]) => name)].join(',')

/** RFC 4180; what was not measured is empty. */
export function csvRow({ at, final, report }: TimedReport): string {
  return [new Date(at).toISOString(), String(final), ...COLUMNS.map(([, of]) => csvField(of(report)))].join(',')
}

function csvField(value: string | number | null): string {
  const text = value === null ? '' : String(rounded('', value))
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
