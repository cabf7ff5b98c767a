import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { HistoryView, RecordListView, RecordView, WatchEvent } from '@causeway/protocol'
import { RecordWorld } from '../../../test/contract/record-world.ts'
import type { ApiBackend } from './api-backend.ts'
import { LocalApi } from './local-api.ts'
import { fleetMetrics } from './metrics/fleet-metrics.ts'
import { MetricsExporter } from './metrics/metrics-exporter.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly json: unknown
}

describe('records over HTTP', () => {
  const exporter = new MetricsExporter(() => fleetMetrics([]))
  let directory: string
  let socketPath: string
  let world: RecordWorld
  let api: LocalApi
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-kv-'))
    socketPath = join(directory, 'api.sock')
    world = new RecordWorld()
    api = await LocalApi.start(socketPath, { records: world.records } as unknown as ApiBackend, exporter, pino({ level: 'silent' }))
  })
  afterEach(async () => {
    await api.stop()
    world.stop()
    rmSync(directory, { recursive: true })
  })

  function open(method: string, path: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
      // Node's client does not announce the body of a DELETE by itself.
      const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }
      const sent = request({ socketPath, path: `/v1/kv/${path}`, method, headers: { ...headers, ...length } }, resolve)
      sent.on('error', reject)
      sent.end(text)
    })
  }

  async function call(method: string, path: string, body?: unknown, headers?: OutgoingHttpHeaders): Promise<Answer> {
    const response = await open(method, path, body, headers)
    let text = ''
    for await (const chunk of response) text += String(chunk)
    return { status: response.statusCode ?? 0, headers: response.headers, json: text === '' ? undefined : JSON.parse(text) }
  }

  const put = (path: string, value: unknown, headers?: OutgoingHttpHeaders) => call('PUT', path, JSON.stringify(value), headers)
  const record = async (path: string) => (await call('GET', path)).json as RecordView
  const list = async (query: string) => (await call('GET', `tasks${query}`)).json as RecordListView
  const keys = async (query: string) => (await list(query)).items.map(({ key }) => key)
  const tokenOf = (answer: Answer) => encodeURIComponent((answer.json as { token: string }).token)

  async function follow(query: string): Promise<{ lines: WatchEvent[]; told: () => string[]; end: () => void }> {
    const response = await open('GET', `tasks?watch=true${query}`)
    expect(response.statusCode).toBe(200)
    const lines: WatchEvent[] = []
    createInterface(response).on('line', (line) => lines.push(JSON.parse(line) as WatchEvent))
    const told = () => lines.map((line) => ('record' in line ? `${line.type} ${line.record.key}` : line.type))
    return { lines, told, end: () => response.destroy() }
  }

  it('puts, gets, deletes, in the own site unless told otherwise', async () => {
    expect(await put('tasks/rec-42?label=kind=record', { a: 1 })).toMatchObject({
      status: 200,
      json: { key: 'rec-42', partition: 'hkg-1' },
    })
    const { json, headers } = await call('GET', 'tasks/rec-42')
    expect(json).toMatchObject({ value: { a: 1 }, labels: { kind: 'record' }, partition: 'hkg-1', writer: 'hkg-1-a' })
    expect(headers.etag).toBe(JSON.stringify((json as RecordView).revision))
    await put('config/a%2Fb?partition=global', null)
    expect(await record('config/a/b?partition=global')).toMatchObject({ key: 'a/b', value: null })
    expect(await call('GET', 'config/a/b')).toMatchObject({ status: 404, json: { code: 'not-found' } })
    expect(await call('DELETE', 'tasks/rec-42')).toMatchObject({ status: 200, json: { key: 'rec-42' } })
    expect(await call('DELETE', 'tasks/rec-42')).toMatchObject({ status: 404 })
    expect(await call('POST', 'tasks/rec-42', { n: 1 })).toMatchObject({ status: 201 })
    expect(await call('POST', 'tasks/rec-42', { n: 2 })).toMatchObject({ status: 409 })
  })

  it('patches fields and labels, and only what exists', async () => {
    expect(await call('PATCH', 'tasks/a', { n: 1 })).toMatchObject({ status: 404 })
    await put('tasks/a?label=kind=x&label=old=1', { n: 1, deep: { a: 1, b: 2 }, gone: true })
    const merge = { 'content-type': 'application/merge-patch+json; charset=utf-8' }
    expect(await call('PATCH', 'tasks/a?label=kind=y&label=old-', { m: 2, deep: { a: 3 }, gone: null }, merge)).toMatchObject({
      status: 200,
    })
    expect(await record('tasks/a')).toMatchObject({ value: { n: 1, m: 2, deep: { a: 3 } }, labels: { kind: 'y' } })
    expect((await record('tasks/a')).value).not.toHaveProperty('gone')
    expect(await call('PATCH', 'tasks/a', { n: 2 }, { 'content-type': 'application/json-patch+json' })).toMatchObject({ status: 415 })
    for (const body of ['[]', '1', 'null']) expect(await call('PATCH', 'tasks/a', body)).toMatchObject({ status: 400 })
    expect(await call('PATCH', 'tasks/a?revision=wrong', { n: 2 })).toMatchObject({ status: 409 })
    const { revision } = await record('tasks/a')
    expect(await call('PATCH', `tasks/a?revision=${revision}`, { n: 2 })).toMatchObject({ status: 200 })
    expect(await call('PATCH', 'tasks/a', { n: 3 }, { 'if-match': JSON.stringify(revision) })).toMatchObject({ status: 409 })
    expect(await call('PATCH', 'tasks/a', { n: 3 }, { 'if-match': JSON.stringify((await record('tasks/a')).revision) })).toMatchObject({
      status: 200,
    })
  })

  it('compares revisions: If-Match, If-None-Match, in the query', async () => {
    const first = ((await put('tasks/a', 1)).json as RecordView).revision
    expect(await put('tasks/a', 2, { 'if-match': '"r9"' })).toMatchObject({ status: 409, json: { code: 'conflict' } })
    expect((await put('tasks/a', 2, { 'if-match': '"r9"' })).json).toMatchObject({ detail: expect.stringContaining(first) })
    expect(await put('tasks/a', 2, { 'if-match': JSON.stringify(first) })).toMatchObject({ status: 200 })
    expect(await put(`tasks/a?revision=${first}`, 3)).toMatchObject({ status: 409 })
    expect(await put('tasks/a', 3, { 'if-none-match': '*' })).toMatchObject({ status: 409 })
    expect(await put('tasks/b', 3, { 'if-match': '*' })).toMatchObject({ status: 404 })
    expect(await put('tasks/b', 3, { 'if-none-match': '*' })).toMatchObject({ status: 200 })
    expect(await call('DELETE', `tasks/b?revision=${first}`)).toMatchObject({ status: 409 })
  })

  it('writes several records or none', async () => {
    const changes = [
      { key: 'a', op: 'create', value: { n: 1 }, labels: { kind: 'x' } },
      { key: 'b', op: 'put', value: 2 },
    ]
    const made = await call('POST', 'tasks:batch', { partition: 'nrt-1', changes })
    expect(made).toMatchObject({ status: 200, json: { partition: 'nrt-1', items: [{ key: 'a' }, { key: 'b' }] } })
    const more = [
      { key: 'a', op: 'patch', value: { m: 2 }, labels: { kind: null } },
      { key: 'b', op: 'delete' },
    ]
    expect(
      await call('POST', 'tasks%3Abatch', { partition: 'nrt-1', changes: [...more, { key: 'c', op: 'update', value: 1 }] }),
    ).toMatchObject({ status: 404 })
    expect(await keys('?partition=nrt-1')).toEqual(['a', 'b'])
    expect(await call('POST', 'tasks:batch?partition=nrt-1', { changes: more })).toMatchObject({ status: 200 })
    expect(await list('?partition=nrt-1')).toMatchObject({ items: [{ key: 'a', value: { n: 1, m: 2 }, labels: {} }] })
    for (const bad of [
      { changes: [] },
      { changes: [{ key: 'a', op: 'explode' }] },
      { changes: [{ key: 'a', op: 'put' }] },
      { changes: [{ key: 'a', op: 'delete', value: 1 }] },
      { changes: [{ key: 'a', op: 'patch', value: 1 }] },
      { changes: [...changes, { key: 'a', op: 'delete' }] },
      { changes, partitions: 'x' },
      [],
    ])
      expect(await call('POST', 'tasks:batch', bad)).toMatchObject({ status: 400, json: { code: 'usage' } })
  })

  it('lets records expire', async () => {
    expect(await put('tasks/a?ttl=0.2s', 1)).toMatchObject({ status: 200 })
    expect((await record('tasks/a')).expiresAt).toBeGreaterThan(Date.now() - 1_000)
    await vi.waitFor(async () => expect(await call('GET', 'tasks/a')).toMatchObject({ status: 404 }), 5_000)
    expect(await put('tasks/a?ttl=soon', 1)).toMatchObject({ status: 400 })
    expect(await call('PATCH', 'tasks/a?ttl=1s', {})).toMatchObject({ status: 400 })
  })

  it('lists by partition and selector, a page at a time', async () => {
    await put('tasks/a?label=kind=x', 1)
    await put('tasks/b?label=kind=y', 1)
    await put('tasks/c?label=kind=x&partition=nrt-1', 1)
    expect(await keys('')).toEqual(['a', 'b', 'c'])
    expect(await keys('?partition=hkg-1')).toEqual(['a', 'b'])
    expect(await keys(`?selector=${encodeURIComponent('kind in (x, z),!old')}`)).toEqual(['a', 'c'])
    const first = await list('?limit=2')
    await put('tasks/a2', 1)
    const second = await list(`?limit=2&continue=${first.continue}`)
    expect([first, second].map(({ items }) => items.map(({ key }) => key))).toEqual([['a', 'b'], ['c']])
    expect(second).toMatchObject({ token: first.token, complete: true })
    expect(second.continue).toBeUndefined()
    for (const query of ['?limit=0', '?limit=x', '?continue=x', '?selector=a%3E1', '?selctor=a', '?limit=1&limit=2'])
      expect(await call('GET', `tasks${query}`)).toMatchObject({ status: 400 })
  })

  it('watches: what is, a bookmark, then what changes, until the client goes away', async () => {
    await put('tasks/a?label=kind=x', 1)
    const watch = await follow('&selector=kind%3Dx')
    await vi.waitFor(() => expect(watch.lines).toHaveLength(2))
    await put('tasks/b?label=kind=y', 1)
    await put('tasks/a?label=kind=x', 2)
    await put('tasks/a?label=kind=y', 3)
    await put('tasks/b?label=kind=x', 2)
    await vi.waitFor(() => expect(watch.told()).toEqual(['ADDED a', 'BOOKMARK', 'MODIFIED a', 'DELETED a', 'ADDED b']))
    watch.end()
    await vi.waitFor(() => expect(world.records.watches).toBe(0))
  })

  it('goes on with a watch from a list, a bookmark or a write, and says gone to the token of a stranger', async () => {
    const written = tokenOf(await put('tasks/a', 1))
    const wide = encodeURIComponent((await list('')).token)
    const narrow = encodeURIComponent((await list('?partition=hkg-1')).token)
    await put('tasks/b', 1)
    await call('DELETE', 'tasks/a')
    for (const query of [`&since=${wide}`, `&partition=hkg-1&since=${narrow}`]) {
      const watch = await follow(query)
      await vi.waitFor(() => expect(watch.told()).toEqual(['ADDED b', 'DELETED a', 'BOOKMARK']))
      watch.end()
    }
    const after = await follow(`&partition=hkg-1&since=${written}`)
    await vi.waitFor(() => expect(after.told().toSorted()).toEqual(['BOOKMARK', 'DELETED a', 'MODIFIED b']))
    after.end()
    const other = new RecordWorld('nrt-1-a', 'nrt-1')
    const strange = encodeURIComponent(other.records.page({ collection: 'tasks' }).token)
    other.stop()
    expect(await call('GET', `tasks?watch=true&since=${strange}`)).toMatchObject({
      status: 410,
      json: { code: 'gone', remedy: expect.stringContaining('list') },
    })
    expect(await call('GET', 'tasks?watch=true&since=nonsense')).toMatchObject({ status: 400 })
  })

  it('waits for what a token names, but not for ever', async () => {
    const token = tokenOf(await put('tasks/a', 1))
    expect(await call('GET', `tasks/a?at-least=${token}`)).toMatchObject({ status: 200 })
    expect(await call('GET', `tasks?at-least=${token}`)).toMatchObject({ status: 200 })
    const ahead = token.replace(/[^.]+$/, 'zz')
    expect(await call('GET', `tasks/a?at-least=${ahead}`)).toMatchObject({ status: 504, json: { code: 'timeout' } })
    expect(await call('GET', 'tasks/a?at-least=x')).toMatchObject({ status: 400 })
  })

  it('ends a watch whose reader is too slow, and says how to go on', async () => {
    const response = await open('GET', 'tasks?watch=true')
    await vi.waitFor(() => expect(world.records.watches).toBe(1))
    for (let round = 0; world.records.watches > 0 && round < 500; round++) {
      const change = (key: string) => ({ key, operation: { type: 'put' as const, value: 'x'.repeat(5_000) } })
      const changes = Array.from({ length: 40 }, (_, n) => change(`k${n}`))
      expect(await world.write({ collection: 'tasks', partition: 'p', changes, durability: 'local' })).toMatchObject({
        result: { ok: true },
      })
    }
    expect(world.records.watches).toBe(0)
    let last = ''
    for await (const line of createInterface(response)) last = line
    expect(JSON.parse(last)).toMatchObject({ error: { code: 'timeout', remedy: expect.stringContaining('since=') } })
  })

  it('tells the history of a record, also of one that is gone', async () => {
    await put('tasks/a', 1)
    await put('tasks/a', 2)
    await call('DELETE', 'tasks/a')
    const { json, status } = await call('GET', 'tasks/a?history=true')
    const { items, since } = json as HistoryView
    expect(status).toBe(200)
    expect(items.map(({ type, record }) => [type, record.value])).toEqual([
      ['ADDED', 1],
      ['MODIFIED', 2],
      ['DELETED', 2],
    ])
    expect(since).toBeLessThanOrEqual(items[0]!.at)
  })

  it('says how fresh its answers are', async () => {
    await put('tasks/a', 1)
    const connected = await call('GET', 'tasks/a')
    expect(connected.headers).toMatchObject({ 'causeway-cut-off': 'false' })
    world.isCutOff = true
    const { asOf, cutOff } = await list('')
    expect(cutOff).toBe(true)
    expect(asOf).toBeGreaterThanOrEqual(Number(connected.headers['causeway-as-of']))
    const later = await call('GET', 'tasks/a')
    expect(later.headers).toMatchObject({ 'causeway-cut-off': 'true', 'causeway-as-of': String(asOf) })
  })

  it('hands strict writes to whoever grants them, and says so if nobody can be reached', async () => {
    expect(await put('tasks/a?strict=true', 1)).toMatchObject({ status: 200 })
    expect(await call('POST', 'tasks/a?strict=true', '2')).toMatchObject({ status: 409 })
    world.isCutOff = true
    expect(await put('tasks/a?strict=true', 3)).toMatchObject({ status: 502, json: { code: 'unreachable', remedy: 'Wait.' } })
    const changes = [{ key: 'a', op: 'put', value: 4 }]
    expect(await call('POST', 'tasks:batch?strict=true', JSON.stringify({ changes }))).toMatchObject({ status: 502 })
    expect(await record('tasks/a')).toMatchObject({ value: 1 })
    expect(await put('tasks/a?strict=false', 5)).toMatchObject({ status: 200 })
  })

  it('refuses a condition that it does not understand, instead of writing without it', async () => {
    for (const query of ['revison=r1', 'mode=maybe', 'durability=moon', 'strict=1', 'label=x', 'label=x-', 'at-least=x', 'revision='])
      expect(await put(`tasks/a?${query}`, 1), query).toMatchObject({ status: 400, json: { code: 'usage' } })
    for (const headers of [{ 'if-none-match': '"r"' }, { 'if-none-match': '*', 'if-match': '*' }])
      expect(await put('tasks/a', 1, headers)).toMatchObject({ status: 400 })
    expect(await put('tasks/a?mode=create', 1, { 'if-match': '*' })).toMatchObject({ status: 400 })
    expect(await call('PUT', 'tasks/a', '{')).toMatchObject({ status: 400, json: { detail: 'the body is not JSON' } })
    expect(await call('POST', 'tasks', {})).toMatchObject({ status: 404 })
    expect(await call('GET', 'tasks/a')).toMatchObject({ status: 404 })
  })

  it('answers anything at all without a fault of its own', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('tasks', 'a', '~', '*', 'p1:tasks:p', '__proto__', '..'),
    )
    const names = [
      'partition',
      'selector',
      'limit',
      'continue',
      'watch',
      'since',
      'at-least',
      'history',
      'revision',
      'mode',
      'ttl',
      'label',
      'durability',
      'strict',
    ]
    const query = fc.array(fc.tuple(fc.constantFrom(...names, 'x'), text), { maxLength: 3 })
    const method = fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'DELETE')
    const change = fc.record({
      key: text,
      op: fc.constantFrom('put', 'patch', 'delete', 'x'),
      value: fc.jsonValue(),
      labels: fc.jsonValue(),
    })
    const body = fc.oneof(text, fc.jsonValue(), fc.record({ partition: text, changes: fc.array(change, { maxLength: 3 }) }))
    const header = fc.constantFrom(
      {},
      { 'if-match': '*' },
      { 'if-match': '""' },
      { 'if-none-match': '*' },
      { 'content-type': 'application/json' },
    )
    const path = fc.array(text, { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(method, path, fc.boolean(), query, body, header, async (method, path, isBatch, query, body, headers) => {
        const search = query.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&')
        const place = path.map((part) => encodeURIComponent(part.toWellFormed())).join('/')
        const target = `${place}${isBatch ? ':batch' : ''}${search === '' ? '' : `?${search}`}`
        const response = await open(method, target, method === 'GET' ? undefined : body, headers)
        expect(response.statusCode).toBeLessThan(500)
        response.destroy()
      }),
      { numRuns: 500 },
    )
  })
})
