/**
 * Links as a table for people, those in trouble first. The reason of a state is told where there is something to
 * explain; `wide` tells everything.
 */
import type { LinkState, LinkView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { bytes, duration, milliseconds, percent } from '../quantity.ts'
import { type Column, renderTable } from '../table.ts'

interface LinkColumn {
  readonly head: Column | string
  readonly cell: (link: LinkView) => string
}

export interface LinksTableOptions {
  readonly wide: boolean
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number
  /** Columns before the reason. */
  readonly more?: readonly LinkColumn[]
  /** @default all */
  readonly rowsMax?: number
}

/** A change of state is new for so long. */
const NEW_MS = 10_000

export function linksTable(links: readonly LinkView[], options: LinksTableOptions): string {
  if (links.length === 0) return 'no links'
  const { nowMs, more = [], rowsMax = links.length } = options
  const columns = [...usual(nowMs), ...(options.wide ? WIDE : []), ...more, reason(options.wide)]
  const shown = links.toSorted(byTrouble).slice(0, rowsMax)
  const table = renderTable(
    columns.map(({ head }) => head),
    shown.map((link) => columns.map(({ cell }) => cell(link))),
  )
  const left = links.length - shown.length
  return left === 0 ? table : `${table}\n${tint('faint', `and ${left} more`)}`
}

function usual(nowMs: number): readonly LinkColumn[] {
  return [
    { head: 'PEER', cell: ({ to }) => to },
    { head: 'STATE', cell: ({ state }) => tintState(state) },
    { head: '>FOR', cell: ({ since }) => age(nowMs - since) },
    { head: 'EVIDENCE', cell: ({ evidence }) => evidence },
    { head: '>P50 ms', cell: ({ rttMs }) => milliseconds(rttMs.p50) },
    { head: '>P95 ms', cell: ({ rttMs }) => milliseconds(rttMs.p95) },
    { head: '>JITTER ms', cell: ({ jitterMs }) => milliseconds(jitterMs) },
    { head: '>LOSS →', cell: ({ lossRatio }) => percent(lossRatio.forward) },
    { head: '>LOSS ←', cell: ({ lossRatio }) => percent(lossRatio.backward) },
    { head: '>COST ms', cell: ({ costMs }) => milliseconds(costMs) },
    { head: '>SENT', cell: ({ bytesOut }) => bytes(bytesOut) },
    { head: '>RECEIVED', cell: ({ bytesIn }) => bytes(bytesIn) },
    { head: '>EPOCH', cell: ({ epoch }) => String(epoch) },
  ]
}

const WIDE: readonly LinkColumn[] = [
  { head: '>LAST ms', cell: ({ rttMs }) => milliseconds(rttMs.last) },
  { head: '>SMOOTHED ms', cell: ({ rttMs }) => milliseconds(rttMs.smoothed) },
  { head: '>MIN ms', cell: ({ rttMs }) => milliseconds(rttMs.min) },
  { head: '>P99 ms', cell: ({ rttMs }) => milliseconds(rttMs.p99) },
  { head: 'SINCE', cell: ({ since }) => new Date(since).toISOString() },
]

function reason(always: boolean): LinkColumn {
  return { head: 'REASON', cell: (link) => (always || link.state !== 'up' ? link.reason : '') }
}

function age(ms: number): string {
  const text = duration(ms / 1000)
  return ms < NEW_MS ? tint('strong', text) : text
}

const TROUBLE: Readonly<Record<LinkState, number>> = { down: 0, degraded: 1, probing: 2, up: 3 }

function byTrouble(a: LinkView, b: LinkView): number {
  return TROUBLE[a.state] - TROUBLE[b.state] || a.to.localeCompare(b.to)
}
