/** `causeway kv`: records, read and written on this node's replica; one subcommand each. */
import type { TypedRecord, WriteOptions } from '@causeway/client'
import { CausewayError } from '@causeway/protocol'
import type { Command } from 'commander'
import { ANSWER_NO, DONE } from '../fault.ts'
import { printDocument, printItem } from '../output.ts'
import { duration } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, parseLabels, type ReadingOptions, untilInterrupted } from '../verb.ts'

type KvOptions = ReadingOptions & Pick<WriteOptions, 'partition' | 'revision' | 'labels'> & { readonly selector?: string }

type Address = readonly [collection: string, key: string]

const EXAMPLES = `
Examples:
  $ causeway kv put config/audio/bitrate 64000 --partition global
  $ causeway kv put tasks/rec-42 '{"channel": "c7"}' --labels kind=record
  $ causeway kv get config/audio/bitrate --partition global
  $ causeway kv list tasks -l kind=record
  $ causeway kv watch tasks -o ndjson
`

export const declareKv: DeclareVerb = (program, onResult) => {
  const kv = program
    .command('kv')
    .summary('records: get, list, put, create, update, delete, watch')
    .description(
      "Reads and writes records on this node's replica, also while its site is cut off. The first slash ends the collection's name.",
    )
    .usage('get|list|put|create|update|delete|watch COLLECTION[/KEY] [options]')
    .addHelpText('after', EXAMPLES)
  declareReads(kv, onResult)
  declareWrites(kv, onResult)
}

function declareReads(kv: Command, onResult: (code: number) => void): void {
  subcommand(kv, 'get <collection/key>', 'one record; exit 1 if there is none').action(async (address: string, options: KvOptions) => {
    const [collection, key] = parseAddress(address)
    const record = await (await connectTo(options.api)).collection(collection).get(key, options)
    if (!record) throw new CausewayError('not-found', `no record ${address} here`, 'check the key and --partition, or list the collection')
    await printDocument(options.output, record, () => valueText(record.value))
    onResult(DONE)
  })

  subcommand(kv, 'list <collection>', 'all records, or those that -l selects')
    .option('-l, --selector <conditions>', 'labels that must hold: kind=record,tier!=test')
    .action(async (collection: string, options: KvOptions) => {
      const list = await (await connectTo(options.api)).collection(collection).list(options)
      await printDocument(options.output, list, () => recordsTable(list.items))
      onResult(DONE)
    })

  subcommand(kv, 'watch <collection>', 'what is there, then every change, until Ctrl-C')
    .option('-l, --selector <conditions>', 'labels that must hold: kind=record,tier!=test')
    .action(async (collection: string, options: KvOptions) => {
      const { partition, selector } = options
      const records = (await connectTo(options.api)).collection(collection)
      for await (const event of records.watch({ partition, selector, signal: untilInterrupted() })) {
        await printItem(options.output, event, () => {
          if (event.type === 'BOOKMARK') return event.complete ? '-- all of it so far' : '-- all that is here so far; not yet complete'
          return `${event.type.padEnd(8)}  ${event.record.partition}  ${event.record.key}  ${shortValue(event.record.value)}`
        })
      }
      onResult(DONE)
    })
}

function declareWrites(kv: Command, onResult: (code: number) => void): void {
  const writes = [
    ['put', 'create or replace a record'],
    ['create', 'make a record; exit 1 if it exists'],
    ['update', 'replace a record; exit 1 if there is none'],
  ] as const
  for (const [mode, summary] of writes) {
    subcommand(kv, `${mode} <collection/key>`, summary)
      .argument('<value>', 'JSON, or else taken as text; "-" reads it from stdin')
      .option('--labels <k=v,...>', 'labels of the record', parseLabels)
      .option('--revision <revision>', 'only if this is its revision here; else exit 1')
      .action(async (address: string, value: string, options: KvOptions) => {
        const [collection, key] = parseAddress(address)
        const records = (await connectTo(options.api)).collection(collection)
        const written = await records[mode](key, await readValue(value), options)
        await printDocument(
          options.output,
          written,
          () => `${collection}/${written.key} written in ${written.partition}, revision ${written.revision}`,
        )
        onResult(DONE)
      })
  }

  subcommand(kv, 'delete <collection/key>', 'delete a record; exit 1 if there is none')
    .option('--revision <revision>', 'only if this is its revision here; else exit 1')
    .action(async (address: string, options: KvOptions) => {
      const [collection, key] = parseAddress(address)
      const deleted = await (await connectTo(options.api)).collection(collection).delete(key, options)
      await printDocument(options.output, deleted ?? { key }, () => `${address} deleted`)
      onResult(deleted === null ? ANSWER_NO : DONE)
    })
}

function subcommand(kv: Command, grammar: string, summary: string): Command {
  return addReadingOptions(kv.command(grammar).description(summary)).option('--partition <partition>', "default: this node's site")
}

/** The first slash splits; a key may hold more of them. */
function parseAddress(text: string): Address {
  const at = text.indexOf('/')
  if (at < 1 || at === text.length - 1) {
    throw new CausewayError('usage', `"${text}" is not of the form COLLECTION/KEY`, 'write it like tasks/rec-42')
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

/** What begins like JSON and is not is a slip of the pen, and must not be stored as text. */
async function readValue(text: string): Promise<unknown> {
  const source = text === '-' ? await (await import('node:stream/consumers')).text(process.stdin) : text
  try {
    return JSON.parse(source)
  } catch (cause) {
    if (!/^\s*[[{"]/.test(source)) return text === '-' ? source.replace(/\n$/, '') : source
    const fault = (cause as SyntaxError).message.split('\n')[0]
    throw new CausewayError('usage', `the value is not JSON: ${fault}`, 'correct it; text needs no quotes', { cause })
  }
}

async function recordsTable(records: readonly TypedRecord<unknown>[]): Promise<string> {
  if (records.length === 0) return 'no records'
  const { renderTable } = await import('../table.ts')
  const rows = records.map(({ key, partition, value, writer, asOf, labels }) => [
    key,
    partition,
    shortValue(value),
    writer,
    duration((Date.now() - asOf) / 1000),
    Object.entries(labels)
      .map((pair) => pair.join('='))
      .join(','),
  ])
  return renderTable(['KEY', 'PARTITION', 'VALUE', 'WRITER', '>AGE', 'LABELS'], rows)
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}

function shortValue(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
