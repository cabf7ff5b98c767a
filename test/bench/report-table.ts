/** The outcome of a bench for people: a table per part, and under it each bound with what was measured. */
import Table from 'cli-table3'
import type { Column, Judgement, Measured, Value } from './bench.ts'
import type { PartRun } from './report.ts'

const JUDGEMENTS_SHOWN_MAX = 8
const BORDERS = 'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle'

export function renderPart({ part, what, seconds, result }: PartRun): string {
  const head = `${part}: ${what}`
  if (result.outcome === 'skipped') return `${head}\n  skipped: ${result.why}`
  if (result.outcome === 'failed') return `${head}\n  FAILED: ${result.why}`
  const { columns, rows, judgements, notes } = result.measured
  return [
    `${head} (${seconds.toFixed(0)} s)`,
    indent(renderRows(columns, rows)),
    indent(renderJudgements(judgements)),
    ...notes.map((note) => `  note: ${note}`),
  ]
    .filter((block) => block !== '')
    .join('\n')
}

function renderRows(columns: Measured['columns'], rows: Measured['rows']): string {
  if (rows.length === 0) return ''
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ key }) => (rows.some((row) => typeof row[key] === 'number') ? 'right' : 'left')),
    chars: Object.fromEntries(BORDERS.split(' ').map((name) => [name, ''])),
    style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [], compact: true },
  })
  for (const row of rows) table.push(columns.map((column) => cellText(column, row[column.key])))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

function cellText({ digits = 0 }: Column, value: Value | undefined): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'number') return value.toFixed(digits)
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : value
}

/** Broken bounds all; of many that held, those that came nearest to breaking. */
function renderJudgements(judgements: readonly Judgement[]): string {
  const broken = judgements.filter(({ held }) => !held)
  const held = judgements.filter((judgement) => judgement.held).toSorted((a, b) => closeness(b) - closeness(a))
  const shown = held.slice(0, Math.max(0, JUDGEMENTS_SHOWN_MAX - broken.length))
  const rest = held.length - shown.length
  const lines = [...broken, ...shown].map(({ what, value, max, unit, held }) => {
    const measured = value === null ? 'not measured' : `${figure(value)} ${unit}`
    return `${held ? 'held  ' : 'BROKEN'}  ${what}: ${measured}, at most ${figure(max)} ${unit}`
  })
  return [...lines, ...(rest > 0 ? [`held    ${rest} more, none of them closer to the bound`] : [])].join('\n')
}

function closeness({ value, max }: Judgement): number {
  return value === null || max === 0 ? 0 : value / max
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)))
}

function indent(text: string): string {
  return text === '' ? '' : text.replace(/^/gm, '  ')
}
