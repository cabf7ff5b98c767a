/** `causeway kv get|list|history`: what this node's replica shows. */
import type { HistoryView, RecordListView, RecordView } from '@causeway/protocol'
import { CausewayError } from '@causeway/protocol'
import type { Command } from 'commander'
import { tint } from '../../colour.ts'
import { DONE } from '../../fault.ts'
import { isTable, printDocument } from '../../output.ts'
import { duration } from '../../quantity.ts'
import { numberBetween } from '../../verb.ts'
import {
  addSubcommand,
  AT_LEAST,
  collectionOf,
  EVERYTHING,
  type KvOptions,
  OWN_SITE,
  parseAddress,
  SELECTOR,
  shortValue,
} from './subcommand.ts'

type GetOptions = KvOptions & { readonly atLeast?: string }
type ListOptions = GetOptions & { readonly selector?: string; readonly limit?: number; readonly continue?: string }

export function declareReads(kv: Command, onResult: (code: number) => void): void {
  addSubcommand(kv, 'get <collection/key>', 'One record; exit 1 if there is none.', OWN_SITE, [
    'get tasks/rec-42',
    'get config/audio/bitrate --partition global -o json',
  ])
    .option(...AT_LEAST)
    .action(async (address: string, options: GetOptions) => {
      const [collection, key] = parseAddress(address)
      const record = await (await collectionOf(options, collection)).get(key, options)
      if (!record)
        throw new CausewayError('not-found', `no record ${address} here`, 'check the key and --partition, or list the collection')
      await printDocument(options.output, record, () => valueText(record.value))
      onResult(DONE)
    })

  addSubcommand(kv, 'list <collection>', 'All records, or those that -l selects, by partition and key.', EVERYTHING, [
    'list tasks',
    "list tasks -l 'kind=record,zone in (a,b),!old' --partition hkg-1",
    'list tasks --limit 100 -o json   # then the same with --continue and what it gives as "continue"',
  ])
    .option(...SELECTOR)
    .option('--limit <records>', 'a page of at most so many; the rest by --continue', numberBetween(1, 10_000))
    .option('--continue <place>', 'the page that follows the one that gave this')
    .option(...AT_LEAST)
    .action(async (collection: string, options: ListOptions) => {
      const { items, violations: _, ...list } = await (await collectionOf(options, collection)).list(options)
      const view: RecordListView = { items, ...list }
      await printDocument(options.output, view, (wide) => recordsTable(view, wide))
      if (view.cutOff && isTable(options.output)) process.stderr.write(`${cutOffNote(view.asOf)}\n`)
      onResult(DONE)
    })

  addSubcommand(
    kv,
    'history <collection/key>',
    'What this node has lately seen of a record, oldest first: at most an hour, and not from before its start.',
    OWN_SITE,
    ['history tasks/rec-42'],
  ).action(async (address: string, options: KvOptions) => {
    const [collection, key] = parseAddress(address)
    const history = await (await collectionOf(options, collection)).history(key, options)
    await printDocument(options.output, history, () => historyTable(history))
    onResult(DONE)
  })
}

async function recordsTable({ items, continue: next }: RecordListView, wide: boolean): Promise<string> {
  if (items.length === 0) return 'no records'
  const { renderTable } = await import('../../table.ts')
  const rows = items.map((record) => [
    record.key,
    record.partition,
    wide ? JSON.stringify(record.value) : shortValue(record.value),
    record.writer,
    duration((Date.now() - record.asOf) / 1000),
    labelsText(record),
    ...(wide ? [record.expiresAt === undefined ? '-' : new Date(record.expiresAt).toISOString(), record.revision] : []),
  ])
  const more = wide ? ['EXPIRES', 'REVISION'] : []
  const table = renderTable(['KEY', 'PARTITION', 'VALUE', 'WRITER', '>AGE', 'LABELS', ...more], rows)
  return next === undefined ? table : `${table}\n${tint('faint', `there are more: --continue ${next}`)}`
}

async function historyTable({ items, since }: HistoryView): Promise<string> {
  if (items.length === 0) return `no change since ${new Date(since).toISOString()}`
  const { renderTable } = await import('../../table.ts')
  const rows = items.map(({ type, record, at }) => [
    new Date(at).toISOString(),
    type,
    type === 'DELETED' ? '' : shortValue(record.value),
    record.writer,
    labelsText(record),
  ])
  return renderTable(['SEEN', 'CHANGE', 'VALUE', 'WRITER', 'LABELS'], rows)
}

function labelsText({ labels }: Pick<RecordView, 'labels'>): string {
  return Object.entries(labels)
    .map((pair) => pair.join('='))
    .join(',')
}

function cutOffNote(asOf: number | null): string {
  const since = asOf === null ? 'since this node started' : `since ${new Date(asOf).toISOString()}`
  return `this site is cut off ${since}: others may have written what is not shown`
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}
