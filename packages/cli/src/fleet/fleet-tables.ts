/** Nodes and sites as tables for people, those in doubt first. A dash stands for what nobody told. */
import type { NodeView, SiteView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { bytes, duration } from '../quantity.ts'
import { type Column, renderTable } from '../table.ts'

export interface FleetTableOptions {
  readonly wide: boolean
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number
  /** @default all */
  readonly rowsMax?: number | undefined
}

interface FleetColumn<View> {
  readonly head: Column | string
  readonly cell: (view: View) => string
}

/** Vitals that have a column; the others are named in one. */
const SHOWN: readonly (readonly [name: string, head: string, text: (value: number) => string])[] = [
  ['cpu', '>CPU', whole],
  ['mem', '>MEM', whole],
  ['disk', '>DISK', whole],
  ['gpu', '>GPU', whole],
  ['load', '>LOAD', (value) => value.toFixed(2)],
  ['netIn', '>IN', rate],
  ['netOut', '>OUT', rate],
]

export function nodesTable(nodes: readonly NodeView[], options: FleetTableOptions): string {
  const { wide, nowMs } = options
  const columns: FleetColumn<NodeView>[] = [
    { head: 'NODE', cell: ({ node }) => node },
    { head: 'SITE', cell: ({ site }) => site },
    { head: 'REGION', cell: ({ region }) => region },
    { head: 'ROLE', cell: ({ role }) => role },
    { head: 'VERDICT', cell: ({ verdict }) => tintState(verdict) },
    { head: '>FOR', cell: ({ since }) => age(nowMs, since) },
    ...SHOWN.map(([name, head, text]) => ({ head, cell: ({ vitals }: NodeView) => cellOf(vitals?.[name], text) })),
  ]
  if (wide) {
    columns.push({ head: '>TOLD', cell: ({ vitalsAgeMs }) => (vitalsAgeMs === null ? '-' : duration(vitalsAgeMs / 1000)) })
    columns.push({ head: 'EVIDENCE', cell: ({ evidence }) => evidenceText(evidence) })
    columns.push({ head: 'OTHERS', cell: ({ vitals }) => others(vitals ?? {}) })
  }
  return table('no nodes', columns, nodes.toSorted(inDoubtFirst), options)
}

export function sitesTable(sites: readonly SiteView[], options: FleetTableOptions): string {
  const { nowMs } = options
  const columns: FleetColumn<SiteView>[] = [
    { head: 'SITE', cell: ({ site }) => site },
    { head: 'REGION', cell: ({ region }) => region },
    { head: 'VERDICT', cell: ({ verdict }) => tintState(verdict) },
    { head: '>FOR', cell: ({ since }) => age(nowMs, since) },
    { head: '>NODES', cell: ({ nodes }) => `${nodes.alive}/${nodes.total}` },
    { head: 'GATEWAY', cell: ({ gateways = [] }) => gateways.join(',') || '-' },
    // Shares are a mean, amounts a sum.
    ...SHOWN.map(([name, head, text]) => ({
      head,
      cell: ({ vitals }: SiteView) => cellOf(name.startsWith('net') ? vitals?.[name]?.sum : vitals?.[name]?.mean, text),
    })),
    { head: '>MAX CPU', cell: ({ vitals }) => cellOf(vitals?.['cpu']?.max, whole) },
  ]
  return table('no sites', columns, sites.toSorted(inDoubtFirst), options)
}

function table<View>(none: string, columns: readonly FleetColumn<View>[], views: readonly View[], { rowsMax }: FleetTableOptions): string {
  if (views.length === 0) return none
  const shown = views.slice(0, rowsMax)
  const text = renderTable(
    columns.map(({ head }) => head),
    shown.map((view) => columns.map(({ cell }) => cell(view))),
  )
  const left = views.length - shown.length
  return left === 0 ? text : `${text}\n${tint('faint', `and ${left} more`)}`
}

/** Keeps the order of the names otherwise. */
function inDoubtFirst(a: { readonly verdict: string }, b: { readonly verdict: string }): number {
  return Number(a.verdict === 'alive') - Number(b.verdict === 'alive')
}

function cellOf(value: number | undefined, text: (value: number) => string): string {
  return value === undefined ? '-' : text(value)
}

function whole(percent: number): string {
  return `${Math.round(percent)}%`
}

function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`
}

function age(nowMs: number, since: number | null): string {
  return since === null ? '-' : duration((nowMs - since) / 1000)
}

/** What this node sees itself, and then the first of the witnesses. */
function evidenceText(evidence: NodeView['evidence']): string {
  const own = evidence.filter((each) => typeof each === 'string')
  const witnesses = evidence.filter((each) => typeof each !== 'string')
  const [first] = witnesses
  const more = witnesses.length > 1 ? ` (and ${witnesses.length - 1} more)` : ''
  return [own.join(','), first ? `${first.by}: ${first.saw}${more}` : ''].filter(Boolean).join('; ') || 'none'
}

function others(vitals: Readonly<Record<string, number>>): string {
  return Object.entries(vitals)
    .filter(([name]) => !SHOWN.some(([shown]) => shown === name))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
