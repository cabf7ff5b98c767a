/** `--dry-run` of changes of records: what they would do to what this node shows now. Whether the node may write there it does not say. */
import type { Collection } from '@causeway/client'
import { CausewayError, type RecordView } from '@causeway/protocol'
import { printDocument } from '../../output.ts'
import { collectionOf, type KvOptions, shortValue } from './subcommand.ts'

export interface TriedChange {
  readonly key: string
  readonly op: 'put' | 'create' | 'update' | 'patch' | 'delete'
  readonly value?: unknown
  readonly revision?: string | undefined
}

export interface DryRunOption {
  readonly dryRun?: boolean
}

export const DRY_RUN = ['--dry-run', 'only tell what would change here'] as const

interface Outcome {
  readonly key: string
  readonly partition: string | null
  readonly does: 'create' | 'replace' | 'patch' | 'delete'
  readonly before: unknown
  /** Of a patch the fields; `null` of a delete. */
  readonly after: unknown
}

/** Throws as the change itself would: `conflict`, `not-found`. */
export async function tryChanges(options: KvOptions, name: string, changes: readonly TriedChange[]): Promise<void> {
  const records = await collectionOf(options, name)
  const outcomes: Outcome[] = []
  for (const change of changes) outcomes.push(await tryChange(records, change, options.partition))
  const text = outcomes.map((each) => `would ${each.does} ${name}/${each.key}${place(each)}: ${valuesText(each)}`)
  await printDocument(options.output, { dryRun: true, items: outcomes }, () => [...text, 'nothing is done'].join('\n'))
}

async function tryChange(records: Collection<unknown>, change: TriedChange, partition: string | undefined): Promise<Outcome> {
  const { key, op, value = null, revision } = change
  const now = await records.get(key, { partition })
  check(change, now, revision)
  const does = op === 'patch' || op === 'delete' ? op : now ? 'replace' : 'create'
  return { key, partition: now?.partition ?? partition ?? null, does, before: now?.value ?? null, after: value }
}

function check({ key, op }: TriedChange, now: RecordView | undefined, revision: string | undefined): void {
  if (op === 'create' && now) throw new CausewayError('conflict', `${key} already exists, at revision ${now.revision}`, 'use update or put')
  if (!now && op !== 'put' && op !== 'create')
    throw new CausewayError('not-found', `${key} does not exist`, 'check the key and the partition')
  if (revision === undefined || revision === now?.revision) return
  throw new CausewayError('conflict', `${key} is at ${now ? `revision ${now.revision}` : 'no revision'}, not ${revision}`, 'read it again')
}

function place({ partition }: Outcome): string {
  return partition === null ? '' : ` in ${partition}`
}

function valuesText({ does, before, after }: Outcome): string {
  if (does === 'delete') return `it was ${shortValue(before)}`
  return does === 'create' ? shortValue(after) : `${shortValue(before)} ${does === 'patch' ? 'with' : 'becomes'} ${shortValue(after)}`
}
