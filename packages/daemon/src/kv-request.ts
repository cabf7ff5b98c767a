/**
 * What a request for records asks: address, selection, conditions and change, each read from path, query, headers and body.
 * What is not understood is refused, never skipped: a condition that is misspelt must not become an unconditional write.
 */
import type { Context } from 'hono'
import { z } from 'zod'
import { CausewayError } from '@causeway/protocol'
import { type Durability, type PageQuery, type WatchQuery, type WriteChange, type WriteOperation, parseSelector } from '@causeway/state'
import { parseBody } from './api/request-body.ts'
import type { RecordAddress } from './api-backend.ts'
import { parseDuration } from './duration.ts'

/** Records of one page, unless fewer are asked for. */
const PAGE_RECORDS_MAX = 10_000
/** About how much memory the records of a page may take: their JSON is built in one go. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024
/** What one batch may change: it must fit one update of one document. */
const CHANGES_MAX = 1_000

type Labels = Readonly<Record<string, string>>
type PatchLabels = Readonly<Record<string, string | null>>

export function addressOf(context: Context, site: string): RecordAddress {
  return { collection: param(context, 'collection'), key: param(context, 'key'), partition: context.req.query('partition') ?? site }
}

export function watchQueryOf(context: Context): WatchQuery {
  const partition = context.req.query('partition')
  const selector = context.req.query('selector')
  const since = context.req.query('since')
  return {
    collection: param(context, 'collection'),
    ...(selector !== undefined && { selector: parseSelector(selector) }),
    ...(partition !== undefined && { partition }),
    ...(since !== undefined && { since }),
  }
}

export function pageQueryOf(context: Context): PageQuery {
  const { since: _, ...query } = watchQueryOf(context)
  const limit = context.req.query('limit')
  const from = context.req.query('continue')
  return {
    ...query,
    limit: Math.min(Number(limit ?? PAGE_RECORDS_MAX), PAGE_RECORDS_MAX),
    bytesMax: PAGE_BYTES_MAX,
    ...(from !== undefined && { continue: Buffer.from(from, 'base64url').toString() }),
  }
}

export function continueText(place: string): string {
  return Buffer.from(place).toString('base64url')
}

/** Throws `usage` if the query has anything else, or the same twice. */
export function checkQuery(context: Context, allowed: readonly string[]): void {
  for (const [name, values] of Object.entries(context.req.queries())) {
    if (!allowed.includes(name)) throw usage(`${name}= is not understood here`, `use ${allowed.join('=, ')}=, or leave it out`)
    if (values.length > 1 && name !== 'label') throw usage(`${name}= is given ${values.length} times`, 'give it once')
  }
}

/** @default false */
export function flagOf(context: Context, name: string): boolean {
  return context.req.query(name) === 'true'
}

export function durabilityOf(context: Context): Durability {
  return (context.req.query('durability') ?? 'local') as Durability
}

/** The change of a PUT or POST, from the query, `If-Match` and `If-None-Match`. */
export function putOf(context: Context, key: string, value: unknown, mode: 'create' | 'update' | undefined): WriteChange {
  const { revision, exists } = conditionOf(context)
  if (exists !== undefined && mode !== undefined && (mode === 'update') !== exists)
    throw usage('the conditions contradict each other', 'give mode= or If-Match or If-None-Match')
  const type = mode ?? (exists === undefined ? 'put' : exists ? 'update' : 'create')
  const labels = labelsOf(context)
  const ttlMs = ttlOf(context)
  return changeOf(key, { type, value, ...(labels && { labels }), ...(ttlMs !== undefined && { ttlMs }) }, revision)
}

export function patchOf(context: Context, key: string, value: unknown): WriteChange {
  const { revision } = conditionOf(context, true)
  const labels = patchLabelsOf(context)
  return changeOf(key, { type: 'patch', value: fieldsOf(value), ...(labels && { labels }) }, revision)
}

export function deleteOf(context: Context, key: string): WriteChange {
  return changeOf(key, { type: 'delete' }, conditionOf(context, true).revision)
}

const revisionSchema = z.string().min(1).max(2_048)
const labelSchema = z.record(z.string(), z.string())
const ttlSchema = z.number().int().positive()
const putShape = {
  key: z.string(),
  value: z.unknown(),
  labels: labelSchema.optional(),
  revision: revisionSchema.optional(),
  ttlMs: ttlSchema.optional(),
}
const patchShape = {
  key: z.string(),
  op: z.literal('patch'),
  value: z.record(z.string(), z.unknown()),
  labels: z.record(z.string(), z.string().nullable()).optional(),
  revision: revisionSchema.optional(),
}
interface PutBody {
  readonly key: string
  readonly op: 'put' | 'create' | 'update'
  readonly value?: unknown
  readonly labels?: Labels | undefined
  readonly revision?: string | undefined
  readonly ttlMs?: number | undefined
}

interface PatchBody {
  readonly key: string
  readonly op: 'patch'
  readonly value: Readonly<Record<string, unknown>>
  readonly labels?: PatchLabels | undefined
  readonly revision?: string | undefined
}

type ChangeBody = PutBody | PatchBody | { readonly key: string; readonly op: 'delete'; readonly revision?: string | undefined }

const changeSchema: z.ZodType<ChangeBody> = z.discriminatedUnion('op', [
  z.strictObject({ ...putShape, op: z.enum(['put', 'create', 'update']) }),
  z.strictObject(patchShape),
  z.strictObject({ key: z.string(), op: z.literal('delete'), revision: revisionSchema.optional() }),
])
/** The body of a batch. */
export const batchSchema: z.ZodType<{ readonly partition?: string | undefined; readonly changes: readonly ChangeBody[] }> = z.strictObject({
  partition: z.string().optional(),
  changes: z.array(changeSchema).min(1).max(CHANGES_MAX),
})
/** The body of a patch. */
export const fieldsSchema: z.ZodType<Readonly<Record<string, unknown>>> = z.record(z.string(), z.unknown())

export function batchOf(body: unknown): { readonly partition: string | undefined; readonly changes: readonly WriteChange[] } {
  const { success, data, error } = batchSchema.safeParse(body)
  if (!success) {
    const [issue] = error.issues
    const where = issue?.path.join('.') || 'body'
    throw usage(`the batch is not understood: ${where}: ${issue?.message ?? 'invalid'}`, BATCH_REMEDY)
  }
  const changes = data.changes.map(batchChange)
  const keys = new Set(changes.map(({ key }) => key))
  if (keys.size < changes.length) throw usage('a key is changed twice in one batch', 'give each key once')
  return { partition: data.partition, changes }
}

const BATCH_REMEDY = `send {"partition": P, "changes": [{"key", "op": put|create|update|patch|delete, "value", "labels", "revision", "ttlMs"}]}, at most ${CHANGES_MAX}`

function batchChange(change: ChangeBody): WriteChange {
  switch (change.op) {
    case 'delete':
      return changeOf(change.key, { type: 'delete' }, change.revision)
    case 'patch': {
      const { value, labels } = change
      return changeOf(change.key, { type: 'patch', value, ...(labels && { labels }) }, change.revision)
    }
    case 'put':
    case 'create':
    case 'update': {
      const { op: type, value, labels, ttlMs } = change
      if (value === undefined) throw usage(`the change of ${change.key} has no value`, 'give one, which may be null; or use op delete')
      return changeOf(change.key, { type, value, ...(labels && { labels }), ...(ttlMs !== undefined && { ttlMs }) }, change.revision)
    }
  }
}

/** JSON of a request, checked as text; throws `usage`. */
export async function bodyOf(context: Context): Promise<unknown> {
  return parseBody(await context.req.arrayBuffer())
}

function changeOf(key: string, operation: WriteOperation, revision: string | undefined): WriteChange {
  return { key, operation, ...(revision !== undefined && { revision }) }
}

/** RFC 9110, 13.1: `*` asks whether there is a record at all; `If-None-Match` knows nothing else here. */
function conditionOf(context: Context, onlyExisting = false): { readonly revision?: string; readonly exists?: boolean } {
  const match = context.req.header('if-match')
  const noneMatch = context.req.header('if-none-match')
  // A plus sign that was not escaped reads as a space, which no revision has.
  const asked = context.req.query('revision')?.replaceAll(' ', '+')
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== '*' || onlyExisting || match !== undefined || asked !== undefined)
      throw usage(`If-None-Match: ${noneMatch} is not understood here`, 'use it as "*" and alone, to create')
    return { exists: false }
  }
  if (match?.trim() === '*') return asked === undefined ? { exists: true } : { revision: asked, exists: true }
  const revision = asked ?? match?.trim().replace(/^(?:W\/)?"(.*)"$/, '$1')
  if (revision === undefined) return {}
  if (revision === '' || revision.length > 2_048) throw usage('the revision is empty or too long', 'give one as a read gave it')
  return { revision }
}

function ttlOf(context: Context): number | undefined {
  const text = context.req.query('ttl')
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  if (ms === undefined) throw usage(`ttl=${text} is not a duration`, 'write it like 30s, 15m, 12h or 7d')
  return Math.ceil(ms)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const { success, data } = fieldsSchema.safeParse(value)
  if (success) return data
  throw usage('a patch is not an object', 'send the fields to change as a JSON object; null removes one')
}

function labelsOf(context: Context): Labels | undefined {
  const labels = patchLabelsOf(context)
  const removed = Object.entries(labels ?? {}).find(([, value]) => value === null)
  if (removed) throw usage(`label=${removed[0]}- is not understood`, 'write label=KEY=VALUE; only a patch can remove labels')
  return labels as Labels | undefined
}

/** `label=KEY=VALUE` sets one, `label=KEY-` removes it, as kubectl has it. */
function patchLabelsOf(context: Context): PatchLabels | undefined {
  const given = context.req.queries('label')
  if (!given) return undefined
  const labels = new Map<string, string | null>()
  for (const label of given) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(label) ?? []
    const [, removed] = /^([^=]+)-$/.exec(label) ?? []
    if (key !== undefined && value !== undefined) labels.set(key, value)
    else if (removed !== undefined) labels.set(removed, null)
    else throw usage(`label=${label} is not understood`, 'write label=KEY=VALUE')
  }
  return Object.fromEntries(labels)
}

export function param(context: Context, name: string): string {
  return context.req.param(name) ?? ''
}

function usage(message: string, remedy: string): CausewayError {
  return new CausewayError('usage', message, remedy)
}
