/** The outcome of a bench as one plain document: what `-o json` prints and what is kept under `bench-results/`. */
import { arch, availableParallelism, cpus, platform, release } from 'node:os'
import type { Bench, Judgement, Measured, Row } from './bench.ts'

export type PartOutcome =
  | { readonly outcome: 'measured'; readonly measured: Measured }
  | { readonly outcome: 'skipped'; readonly why: string }
  | { readonly outcome: 'failed'; readonly why: string }

export interface PartRun {
  readonly part: string
  readonly what: string
  readonly seconds: number
  readonly result: PartOutcome
}

export interface BenchRun {
  readonly bench: Bench
  /** Wall clock, milliseconds since 1970. */
  readonly startedAt: number
  /** Processes that were running or waiting to, when it began (mean of a minute): on a busy machine times mean little. */
  readonly loadAverage: number
  readonly quick: boolean
  readonly settings: Readonly<Record<string, number | readonly number[]>>
  readonly parts: readonly PartRun[]
}

export interface PartDocument {
  readonly part: string
  readonly what: string
  readonly seconds: number
  /** Why there are no figures. */
  readonly skipped?: string
  readonly failed?: string
  readonly rows: readonly Row[]
  readonly judgements: readonly Judgement[]
  readonly notes: readonly string[]
}

export interface BenchDocument {
  readonly bench: string
  readonly startedAt: string
  readonly quick: boolean
  readonly settings: Readonly<Record<string, number | readonly number[]>>
  readonly machine: Readonly<Record<string, string | number>>
  /** No bound was broken and no part failed; parts that were skipped do not count. */
  readonly held: boolean
  readonly parts: readonly PartDocument[]
}

export function documentOf({ bench, startedAt, loadAverage, quick, settings, parts }: BenchRun): BenchDocument {
  return {
    bench: bench.name,
    startedAt: new Date(startedAt).toISOString(),
    quick,
    settings,
    machine: {
      platform: `${platform()} ${release()} ${arch()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      loadAverage,
      node: process.version,
    },
    held: hasHeld(parts),
    parts: parts.map(partDocument),
  }
}

export function hasHeld(parts: readonly PartRun[]): boolean {
  return parts.every(
    ({ result }) => result.outcome !== 'failed' && (result.outcome === 'skipped' || result.measured.judgements.every(({ held }) => held)),
  )
}

function partDocument({ part, what, seconds, result }: PartRun): PartDocument {
  const facts = { part, what, seconds: Math.round(seconds * 10) / 10 }
  if (result.outcome !== 'measured') return { ...facts, [result.outcome]: result.why, rows: [], judgements: [], notes: [] }
  const { rows, judgements, notes } = result.measured
  return { ...facts, rows: rows.map(roundedRow), judgements, notes }
}

/** More than six digits of a measurement are noise. */
function roundedRow(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, typeof value === 'number' ? Number(value.toPrecision(6)) : value]),
  )
}
