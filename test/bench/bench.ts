/**
 * What a bench is: parts that measure, flags that say how long, and bounds that some of the figures are held to. A
 * bench gives plain data; how it is shown (table, JSON, plot) is not its business.
 *
 *  1. What could not be measured says so (`skipped`, or `null` in a row); there are no made-up figures.
 *  2. Judged are counts, bytes, round trips, and times against a bound that the design names.
 */

/** How often, how long. */
export interface Flag {
  readonly what: string
  readonly usual: number
  /** With `--quick`. */
  readonly quick: number
}

/** Several sizes of one thing: numbers with commas between. */
export interface ListFlag {
  readonly what: string
  readonly usual: readonly number[]
  readonly quick: readonly number[]
}

export interface Bench<Name extends string = string, List extends string = string> {
  readonly name: string
  readonly what: string
  readonly flags: Readonly<Record<Name, Flag>>
  /** @default none */
  readonly lists?: Readonly<Record<List, ListFlag>>
  readonly parts: readonly Part<Name, List>[]
}

export type Settings<Name extends string> = Readonly<Record<Name, number>>
export type Lists<List extends string> = Readonly<Record<List, readonly number[]>>

export interface Part<Name extends string = string, List extends string = string> {
  readonly name: string
  readonly what: string
  /** It hardly uses the processor, so it runs beside its light neighbours in the list. */
  readonly light?: boolean
  /** Why it cannot run here and what to do about it; `undefined` if it can. */
  missing?(): string | undefined
  measure(settings: Settings<Name>, lists: Lists<List>): Promise<Measured>
}

export type Value = number | string | boolean | null
export type Row = Readonly<Record<string, Value>>

/** A key of the rows, as people see it. */
export interface Column {
  readonly key: string
  readonly head: string
  /** Digits after the point. @default 0 */
  readonly digits?: number
}

export interface Measured {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  readonly judgements: readonly Judgement[]
  /** What one must know to read the figures. */
  readonly notes: readonly string[]
  readonly charts: readonly Chart[]
}

/** One bound and what was measured; `held` is false also if nothing was. */
export interface Judgement {
  readonly what: string
  readonly value: number | null
  readonly max: number
  readonly unit: string
  readonly held: boolean
}

/** Bars in groups, and marks across them (bounds, or what was expected). */
export interface Chart {
  readonly title: string
  readonly unit: string
  readonly categories: readonly string[]
  readonly bars: readonly Series[]
  readonly marks?: readonly Series[]
}

export interface Series {
  readonly name: string
  readonly values: readonly (number | null)[]
}

export function judge(what: string, value: number | null, max: number, unit: string): Judgement {
  return { what, value, max, unit, held: value !== null && value <= max }
}
