/** Outcomes as rows, one for each carrier and fault, and what Causeway's are held to. */
import { type Chart, type Column, type Judgement, type Row, judge } from '../bench.ts'
import { maxOf, meanOf, quantileOf, sumOf } from '../statistics.ts'
import type { Outcome } from './carrier-run.ts'
import { FAULTS, FAULT_NAMES, type Fault } from './faults.ts'

/** Of the design, for an ordered flow: two round trips and this much, at the median; and never more than that. */
const GAP_SLACK_MS = 30
const GAP_MS_MAX = 500
/** Of a drain: one round trip and this much. */
const DRAIN_SLACK_MS = 20
const OFF_MS_MAX = 3_000
const DELAY_RATIO_MAX = 5
/** One message of the flow. */
const PACE_MS = 10

export const COLUMNS: readonly Column[] = [
  { key: 'carrier', head: 'CARRIER' },
  { key: 'fault', head: 'FAULT' },
  { key: 'recovered', head: 'RECOVERED' },
  { key: 'gapMsP50', head: 'GAP p50 ms' },
  { key: 'gapMsMax', head: 'max' },
  { key: 'gapRttP50', head: 'IN RTT p50', digits: 1 },
  { key: 'gapRttMax', head: 'max', digits: 1 },
  { key: 'lost', head: 'LOST' },
  { key: 'duplicated', head: 'TWICE' },
  { key: 'reordered', head: 'REORDERED' },
  { key: 'offSecondsP50', head: 'OFF LINK p50 s', digits: 1 },
  { key: 'offSecondsMax', head: 'max', digits: 1 },
  { key: 'delayRatioP50', head: 'DELAY p99/CLEAN p50', digits: 1 },
  { key: 'delayRatioMax', head: 'max', digits: 1 },
]

export function rowsOf(outcomes: readonly Outcome[]): Row[] {
  const carriers = [...new Set(outcomes.map(({ carrier }) => carrier))]
  return carriers.flatMap((carrier) =>
    FAULTS.flatMap((fault) => {
      const own = outcomes.filter((outcome) => outcome.carrier === carrier && outcome.fault === fault)
      return own.length === 0 ? [] : [rowOf(carrier, fault, own)]
    }),
  )
}

function rowOf(carrier: string, fault: Fault, outcomes: readonly Outcome[]): Row {
  const gaps = outcomes.map(({ gapMs }) => gapMs)
  const trips = outcomes.map(({ gapMs, rttMs }) => gapMs / rttMs)
  const lossy = fault === 'brown-out'
  // Who does not leave the link counts as the longest.
  const off = lossy ? outcomes.map(({ offMs }) => (offMs ?? Infinity) / 1000) : []
  const ratios = lossy ? outcomes.map(delayRatio) : []
  const finite = (value: number | null): number | null => (value !== null && Number.isFinite(value) ? value : null)
  return {
    carrier,
    fault: FAULT_NAMES[fault],
    runs: outcomes.length,
    recovered: `${outcomes.filter(({ recovered }) => recovered).length}/${outcomes.length}`,
    gapMsP50: quantileOf(gaps, 0.5),
    gapMsMax: maxOf(gaps),
    gapRttP50: finite(quantileOf(trips, 0.5)),
    gapRttMax: finite(maxOf(trips)),
    rttMsMean: finite(meanOf(outcomes.map(({ rttMs }) => rttMs))),
    lost: sumOf(outcomes.map(({ lost }) => lost)),
    duplicated: sumOf(outcomes.map(({ duplicated }) => duplicated)),
    reordered: sumOf(outcomes.map(({ reordered }) => reordered)),
    offSecondsP50: finite(quantileOf(off, 0.5)),
    offSecondsMax: finite(maxOf(off)),
    delayRatioP50: finite(quantileOf(ratios, 0.5)),
    delayRatioMax: finite(maxOf(ratios)),
  }
}

/** Of each run beyond a bound, how busy the machine was: a flow cannot go on while its programs wait for a processor. */
export function notesOf(outcomes: readonly Outcome[]): string[] {
  const late = outcomes.filter(({ fault, gapMs, rttMs, offMs }) =>
    fault === 'brown-out' ? (offMs ?? Infinity) > OFF_MS_MAX : gapMs > (fault === 'drain' ? rttMs + DRAIN_SLACK_MS : GAP_MS_MAX),
  )
  const percent = (ratio: number | null): string => (ratio === null ? 'not known' : `${Math.round(100 * ratio)} %`)
  const usual = percent(
    quantileOf(
      outcomes.flatMap(({ waitedRatio }) => waitedRatio ?? []),
      0.5,
    ),
  )
  return [
    `something waited for a processor ${usual} of the time, median of the runs`,
    ...late.map(
      ({ fault, gapMs, offMs, waitedRatio }) =>
        `${FAULT_NAMES[fault]}: ${fault === 'brown-out' ? `off after ${Math.round(offMs ?? Infinity)}` : `gap of ${Math.round(gapMs)}`} ms, waited ${percent(waitedRatio)}`,
    ),
  ]
}

function delayRatio({ delayMsP99, cleanMsP99 }: Outcome): number {
  return delayMsP99 === null || cleanMsP99 === null ? Infinity : delayMsP99 / cleanMsP99
}

/** What is promised of Causeway itself. A `twin` flow may lose nothing either, and its gap is one round trip and a message. */
export function judgementsOf(outcomes: readonly Outcome[], twin: boolean): Judgement[] {
  return FAULTS.flatMap((fault) => {
    const own = outcomes.filter((outcome) => outcome.fault === fault)
    if (own.length === 0) return []
    const name = FAULT_NAMES[fault]
    const sum = (key: 'lost' | 'duplicated' | 'reordered'): Judgement =>
      judge(`${name}, ${key}`, sumOf(own.map((one) => one[key])), 0, 'messages')
    const unrecovered = judge(`${name}, not recovered`, own.filter(({ recovered }) => !recovered).length, 0, 'runs')
    const counts = [unrecovered, sum('lost'), sum('duplicated'), ...(twin ? [] : [sum('reordered')])]
    if (fault === 'brown-out') {
      const off = maxOf(own.map(({ offMs }) => offMs ?? Infinity))
      const ratio = maxOf(own.map(delayRatio))
      return [
        ...counts,
        judge(`${name}, off the link`, off, OFF_MS_MAX, 'ms'),
        judge(`${name}, p99 delay to clean`, ratio, DELAY_RATIO_MAX, 'times'),
      ]
    }
    return [...counts, ...gapJudgements(fault, own, twin)]
  })
}

function gapJudgements(fault: Fault, own: readonly Outcome[], twin: boolean): Judgement[] {
  const name = FAULT_NAMES[fault]
  const beyond = (trips: number): number[] => own.map(({ gapMs, rttMs }) => gapMs - trips * rttMs)
  if (fault === 'drain') return [judge(`${name}, gap beyond a round trip`, maxOf(beyond(1)), DRAIN_SLACK_MS, 'ms')]
  const longest = judge(`${name}, longest gap`, maxOf(own.map(({ gapMs }) => gapMs)), GAP_MS_MAX, 'ms')
  if (fault === 'near-gateway' || fault === 'far-gateway') return [longest]
  if (twin) return [judge(`${name}, gap beyond a round trip`, maxOf(beyond(1)), PACE_MS, 'ms'), longest]
  return [judge(`${name}, p50 gap beyond two round trips`, quantileOf(beyond(2), 0.5), GAP_SLACK_MS, 'ms'), longest]
}

/** Causeway's gap as a part of that of the best other carrier in the same run; must be below 1. */
export function comparisonsOf(outcomes: readonly Outcome[], ours: string): { rows: Row[]; judgements: Judgement[] } {
  const rows: Row[] = []
  const judgements: Judgement[] = []
  const all = rowsOf(outcomes)
  for (const own of all.filter(({ carrier }) => carrier === ours)) {
    const others = all.filter(({ carrier, fault }) => fault === own['fault'] && !String(carrier).startsWith('causeway'))
    if (others.length === 0 || own['fault'] === FAULT_NAMES['brown-out']) continue
    for (const key of ['gapMsP50', 'gapMsMax']) {
      const best = others.reduce((a, b) => (Number(b[key]) < Number(a[key]) ? b : a))
      const ratio = Number(own[key]) / Number(best[key])
      const what = `${String(own['fault'])}, ${key === 'gapMsP50' ? 'median' : 'longest'} gap`
      rows.push({ what, ours: own[key] as number, best: best[key] as number, carrier: best['carrier'] as string, ratio })
      judgements.push(judge(`${what} to that of ${String(best['carrier'])}`, ratio, 1, 'times'))
    }
  }
  return { rows, judgements }
}

export function chartOf(outcomes: readonly Outcome[]): Chart {
  const rows = rowsOf(outcomes)
  const carriers = [...new Set(rows.map(({ carrier }) => String(carrier)))]
  const faults = (['first', 'last', 'middle', 'relay'] as const).map((fault) => FAULT_NAMES[fault])
  return {
    title: 'Longest silence of a flow of 100 messages/s, median of all runs (log10 ms)',
    unit: 'log10 ms',
    categories: carriers,
    bars: faults.map((name) => ({
      name,
      values: carriers.map((carrier) => {
        const gap = rows.find((row) => row['carrier'] === carrier && row['fault'] === name)?.['gapMsP50']
        return typeof gap === 'number' && gap > 0 ? Math.log10(gap) : null
      }),
    })),
  }
}
