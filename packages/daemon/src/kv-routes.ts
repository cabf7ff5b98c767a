/**
 * `/v1/kv`: records over HTTP. A record is addressed by collection and key in the path and by partition in the
 * query; without one it is in the partition of the node's own site. Lists and watches look at all partitions.
 */
import { type Context, Hono } from 'hono'
import { CausewayError, type RecordView } from '@causeway/protocol'
import type { ApiBackend, RecordAddress, RecordChange, RecordQuery, RecordWrite } from './api-backend.ts'
import { NdjsonStream } from './ndjson-stream.ts'
import { problemResponse } from './problem.ts'
import { parseSelector } from './selector.ts'

const RECORD = '/:collection/:key{.+}'

export function kvRoutes(backend: ApiBackend): Hono {
  const routes = new Hono()
  routes.get('/:collection', (context) => (context.req.query('watch') === 'true' ? watch(backend, context) : list(backend, context)))
  routes.get(RECORD, (context) => {
    const address = addressOf(backend, context)
    const record = backend.get(address)
    if (!record) throw absent(address)
    return context.json(record, 200, { etag: JSON.stringify(record.revision) })
  })
  routes.put(RECORD, async (context) => {
    const value = await bodyOf(context)
    const result = await backend.write({ ...addressOf(backend, context), ...conditionsOf(context), value, ...labelsOf(context) })
    return context.json(result, 200, { etag: JSON.stringify(result.revision) })
  })
  routes.delete(RECORD, async (context) => {
    const address = addressOf(backend, context)
    if (!backend.get(address)) throw absent(address)
    return context.json(await backend.write({ ...address, ...conditionsOf(context), value: undefined }))
  })
  routes.on(['POST', 'PATCH'], RECORD, (context) => {
    const error = new CausewayError('usage', `${context.req.method} is not supported on records by this version`, 'use GET, PUT or DELETE')
    return problemResponse(error, 405)
  })
  return routes
}

function list(backend: ApiBackend, context: Context): Response {
  const { items, token } = backend.list(queryOf(context))
  return context.json({ items, token })
}

/** The present state as ADDED lines, a BOOKMARK, then every change. */
function watch(backend: ApiBackend, context: Context): Response {
  if (context.req.query('since') !== undefined) {
    throw new CausewayError('usage', 'resuming a watch with since= is not supported by this version yet', 'list or watch from the start')
  }
  const query = queryOf(context)
  const { items, token, complete } = backend.list(query)
  const seen = new Set(items.map(identify))
  const stream = new NdjsonStream(() => unwatch())
  const unwatch = backend.watch({ ...query, matches: () => true }, (change) => {
    const told = asSelected(change, query.matches(change.record), seen)
    if (told) stream.write(told)
  })
  stream.writeAll(items.map((record) => ({ type: 'ADDED', record })))
  stream.writeAll([{ type: 'BOOKMARK', token, complete }])
  return stream.response()
}

/** A record that comes to match a selector is ADDED for this watch, one that no longer does is DELETED. */
function asSelected({ type, record }: RecordChange, matches: boolean, seen: Set<string>): RecordChange | undefined {
  const identity = identify(record)
  if (type === 'DELETED' || !matches) return seen.delete(identity) ? { type: 'DELETED', record } : undefined
  const known = seen.has(identity)
  seen.add(identity)
  return { type: known ? 'MODIFIED' : 'ADDED', record }
}

function identify({ partition, key }: RecordView): string {
  return JSON.stringify([partition, key])
}

function addressOf(backend: ApiBackend, context: Context): RecordAddress {
  return { collection: param(context, 'collection'), key: param(context, 'key'), partition: context.req.query('partition') ?? backend.site }
}

function queryOf(context: Context): RecordQuery {
  const selector = parseSelector(context.req.query('selector') ?? '')
  const partition = context.req.query('partition')
  const matches = (record: RecordView): boolean => selector(record.labels)
  return { collection: param(context, 'collection'), matches, ...(partition === undefined ? {} : { partition }) }
}

function conditionsOf(context: Context): Pick<RecordWrite, 'revision' | 'mode'> {
  const revision = context.req.query('revision') ?? context.req.header('if-match')?.replace(/^(?:W\/)?"(.*)"$/, '$1')
  const mode = context.req.query('mode')
  if (mode !== undefined && mode !== 'create' && mode !== 'update') {
    throw new CausewayError('usage', `mode=${mode} is not understood`, 'use mode=create or mode=update, or leave it out')
  }
  for (const unsupported of ['durability', 'at-least', 'ttl']) {
    if (context.req.query(unsupported) !== undefined)
      throw new CausewayError('usage', `${unsupported}= is not supported by this version yet`, 'leave it out')
  }
  return { ...(revision === undefined ? {} : { revision }), ...(mode === undefined ? {} : { mode }) }
}

function labelsOf(context: Context): { labels?: Record<string, string> } {
  const given = context.req.queries('label')
  if (!given) return {}
  const labels: Record<string, string> = {}
  for (const label of given) {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(label) ?? []
    if (key === undefined || value === undefined)
      throw new CausewayError('usage', `label=${label} is not understood`, 'write label=KEY=VALUE')
    labels[key] = value
  }
  return { labels }
}

async function bodyOf(context: Context): Promise<unknown> {
  try {
    const value: unknown = await context.req.json()
    return value
  } catch (cause) {
    throw new CausewayError('usage', 'the body is not JSON', 'send the value as one JSON document', { cause })
  }
}

function param(context: Context, name: string): string {
  return context.req.param(name) ?? ''
}

function absent({ collection, partition, key }: RecordAddress): CausewayError {
  return new CausewayError(
    'not-found',
    `there is no ${collection}/${key} in partition ${partition} here`,
    'check key and partition; a node only holds what it has an interest in',
  )
}
