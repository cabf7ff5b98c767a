/**
 * `/v1/kv`: records over HTTP. A record is addressed by collection and key in the path and by partition in the
 * query; without one it is in the partition of the node's own site. Lists and watches look at all partitions.
 *
 *     GET    /:collection                 list: selector, partition, limit, continue, at-least
 *     GET    /:collection?watch=true      NDJSON: what is there, a BOOKMARK, then changes: selector, partition, since
 *     GET    /:collection/:key            one record: at-least; history=true: what has lately become of it
 *     PUT    /:collection/:key            mode=create|update, If-Match or revision, If-None-Match: *, label, ttl
 *     POST   /:collection/:key            the same with mode=create
 *     PATCH  /:collection/:key            some fields (RFC 7396, one level; null removes one), label=K=V or K-
 *     DELETE /:collection/:key
 *     POST   /:collection:batch           several changes of one partition, all or none
 *
 * All writes take durability=local|site|hub and strict=true. Reads say how fresh they are in two headers.
 */
import { type Context, Hono } from 'hono'
import { CausewayError, type RecordListView, type WriteResult } from '@causeway/protocol'
import { type WriteChange, writeFault } from '@causeway/state'
import type { RecordAddress, RecordBackend, RecordsWrite } from './api-backend.ts'
import {
  addressOf,
  batchOf,
  bodyOf,
  checkQuery,
  continueText,
  deleteOf,
  durabilityOf,
  flagOf,
  pageQueryOf,
  param,
  patchOf,
  putOf,
  watchQueryOf,
} from './kv-request.ts'
import { NdjsonStream } from './ndjson-stream.ts'
import { problemResponse } from './problem.ts'

const RECORD = '/:collection/:key{.+}'
const BATCH = ':batch'
/** Of RFC 7396, and plain JSON. */
const PATCH_TYPES = new Set(['application/merge-patch+json', 'application/json'])

export function kvRoutes(records: RecordBackend): Hono {
  const routes = new Hono()
  routes.get('/:collection', (context) => (flagOf(context, 'watch') ? watch(records, context) : list(records, context)))
  routes.get(RECORD, (context) => get(records, context))
  routes.put(RECORD, async (context) => {
    const address = addressOf(context, records.site)
    return write(
      records,
      context,
      address,
      putOf(context, address.key, await bodyOf(context), context.req.query('mode') as 'create' | 'update' | undefined),
    )
  })
  routes.post(RECORD, async (context) => {
    const address = addressOf(context, records.site)
    return write(records, context, address, putOf(context, address.key, await bodyOf(context), 'create'), 201)
  })
  routes.patch(RECORD, async (context) => {
    const type = context.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (type !== undefined && !PATCH_TYPES.has(type)) return unsupportedPatch(type)
    const address = addressOf(context, records.site)
    return write(records, context, address, patchOf(context, address.key, await bodyOf(context)))
  })
  routes.delete(RECORD, (context) => {
    const address = addressOf(context, records.site)
    return write(records, context, address, deleteOf(context, address.key))
  })
  routes.post('/:collection', (context) => batch(records, context))
  return routes
}

async function get(records: RecordBackend, context: Context): Promise<Response> {
  const address = addressOf(context, records.site)
  await settle(records, context, 'at-least')
  const headers = freshnessHeaders(records)
  if (flagOf(context, 'history')) return context.json(records.history(address), 200, headers)
  const record = records.get(address)
  if (!record) throw absent(address)
  return context.json(record, 200, { ...headers, etag: JSON.stringify(record.revision) })
}

async function list(records: RecordBackend, context: Context): Promise<Response> {
  checkQuery(context, ['watch', 'partition', 'selector', 'limit', 'continue', 'at-least'])
  const query = pageQueryOf(context)
  await settle(records, context, 'at-least')
  const { items, token, continue: place } = records.page(query)
  const view: RecordListView = {
    items,
    token,
    ...(place !== undefined && { continue: continueText(place) }),
    complete: records.complete(),
    ...records.freshness(),
  }
  return context.json(view, 200, freshnessHeaders(records))
}

async function watch(records: RecordBackend, context: Context): Promise<Response> {
  checkQuery(context, ['watch', 'partition', 'selector', 'since'])
  const query = watchQueryOf(context)
  await settle(records, context, 'since')
  const stream = new NdjsonStream(() => close())
  const { initial, close } = records.watch(query, (event) => stream.write(event))
  stream.begin(initial)
  return stream.response(freshnessHeaders(records))
}

async function batch(records: RecordBackend, context: Context): Promise<Response> {
  const name = param(context, 'collection')
  if (!name.endsWith(BATCH)) throw new CausewayError('not-found', `there is no POST ${context.req.path}`, 'add a key, or :batch')
  const { partition = context.req.query('partition') ?? records.site, changes } = batchOf(await bodyOf(context))
  const [durability, strict] = [durabilityOf(context), flagOf(context, 'strict')]
  return context.json(await records.write(checked({ collection: name.slice(0, -BATCH.length), partition, changes, durability, strict })))
}

async function write(
  records: RecordBackend,
  context: Context,
  { collection, partition, key }: RecordAddress,
  change: WriteChange,
  status: 200 | 201 = 200,
): Promise<Response> {
  const [durability, strict] = [durabilityOf(context), flagOf(context, 'strict')]
  const { items, token } = await records.write(checked({ collection, partition, changes: [change], durability, strict }))
  const result: WriteResult = { key, partition, revision: items[0]?.revision ?? '', token }
  return context.json(result, status, change.operation.type === 'delete' ? {} : { etag: JSON.stringify(result.revision) })
}

/** Here, so that it is told as wrong usage, and a strict write is not sent to its hub for nothing. */
function checked(write: RecordsWrite): RecordsWrite {
  const fault = writeFault(write)
  if (fault) throw new CausewayError('usage', fault.message, fault.remedy)
  return write
}

async function settle(records: RecordBackend, context: Context, name: string): Promise<void> {
  const token = context.req.query(name)
  if (token !== undefined) await records.settle(token)
}

function freshnessHeaders(records: RecordBackend): Record<string, string> {
  const { asOf, cutOff } = records.freshness()
  return { 'causeway-as-of': String(asOf), 'causeway-cut-off': String(cutOff) }
}

function unsupportedPatch(type: string): Response {
  const remedy = `send ${[...PATCH_TYPES].join(' or ')}`
  return problemResponse(new CausewayError('usage', `a patch of type ${type} is not understood`, remedy), 415)
}

function absent({ collection, partition, key }: RecordAddress): CausewayError {
  return new CausewayError(
    'not-found',
    `there is no ${collection}/${key} in partition ${partition} here`,
    'check key and partition; a node only holds what it has an interest in',
  )
}
