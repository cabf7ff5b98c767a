/**
 * Results on stdout: a table for people, which is wider if they ask for it and there is more to show, or the same facts as
 * JSON, JSON lines or YAML for programs. The shapes of the latter are those of the API and do not change with what the table shows.
 */
export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'yaml'] as const
export type Format = (typeof FORMATS)[number]

/** For people. */
export function isTable(format: string): format is 'table' | 'wide' {
  return format === 'table' || format === 'wide'
}

/** Prints one document. `table` is only called if a table was asked for. */
export async function printDocument(format: Format, value: unknown, table: (wide: boolean) => string | Promise<string>): Promise<void> {
  print(isTable(format) ? await table(format === 'wide') : await renderDocument(format, value))
}

/** Prints one item of a stream; `json` prints lines too, since a stream has no end to close a document at. */
export async function printItem(format: Format, value: unknown, line: () => string): Promise<void> {
  if (isTable(format)) print(line())
  else if (format === 'yaml') print(`---\n${await renderDocument('yaml', value)}`)
  else print(JSON.stringify(value))
}

export async function renderDocument(format: Exclude<Format, 'table' | 'wide'>, value: unknown): Promise<string> {
  if (format === 'json') return JSON.stringify(value, null, 2)
  if (format === 'ndjson')
    return itemsOf(value)
      .map((item) => JSON.stringify(item))
      .join('\n')
  const { stringify } = await import('yaml')
  return stringify(value).trimEnd()
}

/** Prints a line (or lines); nothing for nothing. */
export function print(text: string): void {
  if (text !== '') process.stdout.write(`${text}\n`)
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  const items = (value as { items?: unknown } | null)?.items
  return Array.isArray(items) ? items : [value]
}
