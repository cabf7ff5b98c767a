/** `causeway kv put|create|update|patch|delete|batch`: changes of records, one or several at once. */
import type { BatchChange, WriteResult } from '@causeway/protocol'
import { CausewayError } from '@causeway/protocol'
import type { PatchOptions, WriteOptions } from '@causeway/client'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { readFile } from 'node:fs/promises'
import { DONE } from '../../fault.ts'
import { isTable, printDocument } from '../../output.ts'
import { connectTo, parseLabels } from '../../verb.ts'
import { DRY_RUN, type DryRunOption, tryChanges } from './dry-run.ts'
import { addSubcommand, collectionOf, type KvOptions, notJson, OWN_SITE, parseAddress, readInput, readValue } from './subcommand.ts'

type PutOptions = KvOptions & DryRunOption & Pick<WriteOptions, 'revision' | 'labels' | 'ttl' | 'durability' | 'strict'>
type FieldOptions = KvOptions & DryRunOption & Pick<PatchOptions, 'revision' | 'labels' | 'durability' | 'strict'>

const VALUE = ['<value>', 'JSON, or else taken as text; "-" reads it from stdin'] as const
const REVISION = ['--revision <revision>', 'only if this is its revision here; else exit 1'] as const
const LABELS = ['--labels <k=v,...>', 'labels of the record'] as const
const TTL = ['--ttl <time>', 'the record is gone after this: 30s, 15m, 12h, 7d'] as const

export function declareWrites(kv: Command, onResult: (code: number) => void): void {
  const puts = [
    [
      'put',
      'Creates or replaces a record.',
      [
        'put tasks/rec-42 \'{"channel": "c7"}\' --labels kind=record',
        'put locks/a 1 --ttl 30s',
        'put config/audio 64000 --partition global --dry-run',
      ],
    ],
    ['create', 'Makes a record; exit 1 if it exists.', ['create tasks/rec-42 - < rec-42.json']],
    ['update', 'Replaces a record; exit 1 if there is none.', ['update tasks/rec-42 \'{"channel": "c8"}\' --revision REVISION']],
  ] as const
  for (const [mode, description, examples] of puts) {
    const command = addSubcommand(kv, `${mode} <collection/key>`, description, OWN_SITE, examples)
      .argument(...VALUE)
      .option(...LABELS, parseLabels)
      .option(...TTL)
    if (mode !== 'create') command.option(...REVISION)
    addWriteOptions(command).action(async (address: string, value: string, options: PutOptions) => {
      const [collection, key] = parseAddress(address)
      const read = await readValue(value)
      if (options.dryRun) await tryChanges(options, collection, [{ key, op: mode, value: read, revision: options.revision }])
      else await printWritten(options, collection, await (await collectionOf(options, collection))[mode](key, read, options))
      onResult(DONE)
    })
  }
  declarePatch(kv, onResult)
  declareDelete(kv, onResult)
  declareBatch(kv, onResult)
}

function declarePatch(kv: Command, onResult: (code: number) => void): void {
  const description = 'Sets some fields of a record and leaves the others; null removes one. Exit 1 if there is no record.'
  const examples = ['patch tasks/rec-42 \'{"state": "running", "error": null}\'', "patch tasks/rec-42 '{}' --labels tier=gold,old-"]
  const command = addSubcommand(kv, 'patch <collection/key>', description, OWN_SITE, examples)
    .argument('<fields>', 'a JSON object; "-" reads it from stdin')
    .option('--labels <k=v,k-,...>', 'labels to set, or with a hyphen to remove', parsePatchLabels)
    .option(...REVISION)
  addWriteOptions(command).action(async (address: string, text: string, options: FieldOptions) => {
    const [collection, key] = parseAddress(address)
    const fields = await readValue(text)
    if (typeof fields !== 'object' || fields === null) {
      throw new CausewayError('usage', 'the fields are no JSON object', 'write them like \'{"state": "running"}\'')
    }
    if (options.dryRun) await tryChanges(options, collection, [{ key, op: 'patch', value: fields, revision: options.revision }])
    else {
      const records = await collectionOf(options, collection)
      await printWritten(options, collection, await records.patch(key, fields as Record<string, unknown>, options))
    }
    onResult(DONE)
  })
}

function declareDelete(kv: Command, onResult: (code: number) => void): void {
  const command = addSubcommand(kv, 'delete <collection/key>', 'Deletes a record; exit 1 if there is none.', OWN_SITE, [
    'delete tasks/rec-42',
  ]).option(...REVISION)
  addWriteOptions(command).action(async (address: string, options: FieldOptions) => {
    const [collection, key] = parseAddress(address)
    if (options.dryRun) await tryChanges(options, collection, [{ key, op: 'delete', revision: options.revision }])
    else {
      const deleted = await (await collectionOf(options, collection)).delete(key, options)
      await printDocument(options.output, deleted, () => `${address} deleted`)
      await noteCutOff(options)
    }
    onResult(DONE)
  })
}

function declareBatch(kv: Command, onResult: (code: number) => void): void {
  const description =
    'Makes several changes of one partition, all or none. The file holds a JSON array of them, or one a line: {"key", "op", "value", "labels", "revision", "ttlMs"}, of which op is put, create, update, patch or delete.'
  const command = addSubcommand(kv, 'batch <collection>', description, OWN_SITE, [
    'batch tasks changes.json',
    'batch tasks - --partition hkg-1 < changes.ndjson',
  ]).argument('<file>', 'changes; "-" reads them from stdin')
  addWriteOptions(command).action(async (collection: string, file: string, options: FieldOptions) => {
    const changes = await readChanges(file)
    if (options.dryRun) await tryChanges(options, collection, changes)
    else {
      const result = await (await collectionOf(options, collection)).batch(changes, options)
      await printDocument(options.output, result, () => `${result.items.length} records of ${collection} changed in ${result.partition}`)
      await noteCutOff(options)
    }
    onResult(DONE)
  })
}

function addWriteOptions(command: Command): Command {
  const durability = new Option(
    '--durability <level>',
    'what to wait for: the disk of this node (default), of one more of its site, of a hub',
  )
  return command
    .addOption(durability.choices(['local', 'site', 'hub']))
    .option('--strict', 'compared and made by the hub that grants leases; never while cut off')
    .option(...DRY_RUN)
}

async function printWritten(options: KvOptions, collection: string, written: WriteResult): Promise<void> {
  const { key, partition, revision } = written
  await printDocument(options.output, written, () => `${collection}/${key} written in ${partition}, revision ${revision}`)
  await noteCutOff(options)
}

/** What was written is on this disk, and perhaps nobody will ever take it: of a node that was revoked, for one. */
async function noteCutOff({ api, output }: KvOptions): Promise<void> {
  if (!isTable(output)) return
  // What was written is written, whatever has become of the daemon since.
  const status = await (await connectTo(api)).status().catch(() => undefined)
  if (!status?.cutOff) return
  const [because] = status.unreached.map(({ reason }) => reason)
  const why = because === undefined ? '' : `; the first fault that "causeway status" tells: ${because}`
  process.stderr.write(`this site is cut off: nobody beyond it has this before a hub is reached again${why}\n`)
}

/** A JSON array, `{changes: [...]}`, or one change a line; the daemon checks what is in them. */
async function readChanges(file: string): Promise<readonly BatchChange[]> {
  const text = file === '-' ? await readInput() : await readFileText(file)
  try {
    const whole = parseWhole(text)
    if (Array.isArray(whole)) return whole as BatchChange[]
    const { changes } = (whole ?? {}) as { changes?: unknown }
    if (Array.isArray(changes)) return changes as BatchChange[]
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    return lines.map((line) => JSON.parse(line) as BatchChange)
  } catch (cause) {
    throw notJson('file of changes', cause, 'give a JSON array of changes, or one change a line')
  }
}

function parseWhole(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Several lines, then; each is parsed by itself.
    return undefined
  }
}

async function readFileText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CausewayError('usage', `${file} cannot be read: ${(cause as Error).message}`, 'check the path', { cause })
  }
}

/** `k=v` sets one, `k-` removes it. */
function parsePatchLabels(text: string): Readonly<Record<string, string | null>> {
  const labels: Record<string, string | null> = {}
  for (const term of text.split(',')) {
    const [, removed] = /^\s*([^=]+)-\s*$/.exec(term) ?? []
    const at = term.indexOf('=')
    if (removed !== undefined) labels[removed] = null
    else if (at >= 1) labels[term.slice(0, at).trim()] = term.slice(at + 1).trim()
    else throw new InvalidArgumentError(`"${term}" is not of the form key=value or key-.`)
  }
  return labels
}
