/**
 * Tables for people: no borders, columns two spaces apart, numbers to the right, as kubectl prints them; so that
 * `awk '{print $3}'` works on them too.
 */
import Table from 'cli-table3'

export interface Column {
  readonly head: string
  /** @default 'left' */
  readonly align?: 'left' | 'right'
}

const BORDERS = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
  'left',
  'left-mid',
  'mid',
  'mid-mid',
  'right',
  'right-mid',
  'middle',
] as const

/** A column is its heading, or a heading that starts with `>` to align it right. */
export function renderTable(columns: readonly (Column | string)[], rows: readonly (readonly string[])[]): string {
  const shaped = columns.map((column) => (typeof column === 'string' ? shape(column) : column))
  const table = new Table({
    ...(shaped.some(({ head }) => head !== '') && { head: shaped.map(({ head }) => head) }),
    colAligns: shaped.map(({ align }) => align ?? 'left'),
    chars: Object.fromEntries(BORDERS.map((name) => [name, ''])),
    style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [], compact: true },
  })
  for (const row of rows) table.push([...row])
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Facts of one thing, a line each. */
export function renderFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  return renderTable(['', ''], facts)
}

function shape(heading: string): Column {
  return heading.startsWith('>') ? { head: heading.slice(1), align: 'right' } : { head: heading }
}
