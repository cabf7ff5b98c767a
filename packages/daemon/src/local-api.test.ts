import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  CausewayError,
  type EventView,
  type PingReply,
  type RecordView,
  type StatusView,
  type TraceView,
  type WhyView,
} from '@causeway/protocol'
import type { ApiBackend, RecordAddress, RecordChange, RecordQuery, RecordWrite } from './api-backend.ts'
import { LocalApi } from './local-api.ts'
import { fleetMetrics, linkMetrics } from './metrics/fleet-metrics.ts'
import { MetricsExporter } from './metrics/metrics-exporter.ts'
import { parseExposition } from './metrics/parse-exposition.ts'

/** A node that is nothing but a map of records: enough to be seen over HTTP. */
class MapBackend implements ApiBackend {
  readonly site = 'hkg-1'
  readonly recentEvents: EventView[] = [{ at: 1, name: 'link-up', data: { peer: 'core-1' } }]
  readonly records = new Map<string, RecordView>()
  readonly watchers = new Set<(change: RecordChange) => void>()
  readonly listeners = new Set<(event: EventView) => void>()
  cancelledPings = 0
  #revision = 0

  status(): StatusView {
    return { node: 'hkg-1-a', cutOff: true, role: 'edge', uplinks: [] } as unknown as StatusView
  }
  links(): [] {
    return []
  }
  channels(): [] {
    return []
  }
  paths(to: string): { to: string; paths: [] } {
    if (to === 'bug') throw new Error('secret detail')
    return { to, paths: [] }
  }
  async why(from: string, to: string): Promise<WhyView> {
    return { from, to, hub: 'core-1', candidates: [], excluded: [], use: null }
  }
  async trace(to: string): Promise<TraceView> {
    throw new CausewayError('unreachable', `no way to ${to} is known here`, 'look')
  }
  drain(draining: boolean): StatusView {
    if (!draining) throw new CausewayError('refused', 'hkg-1-a is an edge node', 'drain a hub')
    return this.status()
  }
  onEvent(listener: (event: EventView) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  get({ collection, partition, key }: RecordAddress): RecordView | undefined {
    return this.records.get(`${collection}/${partition}/${key}`)
  }
  list({ collection, partition, matches }: RecordQuery): { items: RecordView[]; token: string; complete: boolean } {
    const items = [...this.records]
      .filter(
        ([address, record]) =>
          address.startsWith(`${collection}/`) && (partition ?? record.partition) === record.partition && matches(record),
      )
      .map(([, record]) => record)
    return { items, token: `t${this.#revision}`, complete: true }
  }
  watch(query: RecordQuery, listener: (change: RecordChange) => void): () => void {
    const filtered = (change: RecordChange): void => {
      if (query.matches(change.record)) listener(change)
    }
    this.watchers.add(filtered)
    return () => this.watchers.delete(filtered)
  }
  async write(write: RecordWrite): Promise<{ key: string; partition: string; revision: string; token: string }> {
    const { collection, partition, key, value, labels = {} } = write
    const before = this.get(write)
    if (write.revision !== undefined && write.revision !== before?.revision)
      throw new CausewayError('conflict', `the revision is ${before?.revision}`, 'read it again')
    if (write.mode === 'create' && before) throw new CausewayError('conflict', 'it exists', 'use another key')
    const revision = `r${++this.#revision}`
    const record = { key, partition, value, labels, revision, writer: 'hkg-1-a', asOf: 1 }
    if (value === undefined) this.records.delete(`${collection}/${partition}/${key}`)
    else this.records.set(`${collection}/${partition}/${key}`, record)
    for (const watcher of this.watchers) watcher({ type: value === undefined ? 'DELETED' : before ? 'MODIFIED' : 'ADDED', record })
    return { key, partition, revision, token: `t${this.#revision}` }
  }
  ping(
    { to, count }: { to: string; count: number },
    onReply: (reply: PingReply) => void,
  ): { ended: Promise<string | null>; cancel(): void } {
    for (let sequence = 0; sequence < count; sequence++) {
      onReply({ sequence, rttMs: 1, path: [to], remoteMs: 1, remoteCount: sequence + 1, sentAt: 0, remoteAt: 0, arrivedAt: 1 })
    }
    const ended = to === 'slow' ? new Promise<never>(() => {}) : Promise.resolve(to === 'gone' ? 'no path works' : null)
    return { ended, cancel: () => void this.cancelledPings++ }
  }
}

describe('local API', () => {
  const exporter = new MetricsExporter(() => fleetMetrics([linkMetrics('hkg-1-a')]))
  let directory: string
  let socketPath: string
  let backend: MapBackend
  let api: LocalApi
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-api-'))
    socketPath = join(directory, 'api.sock')
    backend = new MapBackend()
    api = await LocalApi.start(socketPath, backend, exporter, pino({ level: 'silent' }))
  })
  afterEach(async () => {
    await api.stop()
    rmSync(directory, { recursive: true })
  })

  function open(path: string, options: RequestOptions = {}, body?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath, path, ...options }, resolve)
      sent.on('error', reject)
      sent.end(body)
    })
  }

  async function call(path: string, options: RequestOptions = {}, body?: string): Promise<{ status: number; type: string; json: unknown }> {
    const response = await open(path, options, body)
    let text = ''
    for await (const chunk of response) text += String(chunk)
    return {
      status: response.statusCode ?? 0,
      type: response.headers['content-type'] ?? '',
      json: JSON.parse(text.trim().split('\n').length > 1 ? `[${text.trim().replaceAll('\n', ',')}]` : text),
    }
  }

  async function put(path: string, value: unknown, headers: Record<string, string> = {}): ReturnType<typeof call> {
    return await call(path, { method: 'PUT', headers }, JSON.stringify(value))
  }

  it('listens on a socket for its owner only', () => {
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
  })

  it('shows what the node says', async () => {
    expect(await call('/v1/status')).toMatchObject({ status: 200, json: { node: 'hkg-1-a' } })
    expect(await call('/v1/links')).toMatchObject({ status: 200, json: [] })
    expect(await call('/v1/paths/core-1')).toMatchObject({ json: { to: 'core-1' } })
    expect(await call('/healthz')).toMatchObject({ status: 200 })
    expect(await call('/readyz')).toMatchObject({ status: 200, json: { autonomous: true } })
  })

  it('explains and traces ways, and drains', async () => {
    expect(await call('/v1/why/hkg-1-a/nrt-2-a')).toMatchObject({ status: 200, json: { from: 'hkg-1-a', to: 'nrt-2-a' } })
    expect(await call('/v1/trace/nrt-2-a')).toMatchObject({ status: 502, json: { code: 'unreachable' } })
    expect(await call('/v1/drain', { method: 'POST' })).toMatchObject({ status: 200, json: { node: 'hkg-1-a' } })
    expect(await call('/v1/drain', { method: 'DELETE' })).toMatchObject({ status: 403, json: { code: 'refused' } })
  })

  it('puts, gets and deletes records, in the own site unless told otherwise', async () => {
    expect(await put('/v1/kv/tasks/rec-42?label=kind=record', { a: 1 })).toMatchObject({
      status: 200,
      json: { key: 'rec-42', partition: 'hkg-1', revision: 'r1' },
    })
    expect(await call('/v1/kv/tasks/rec-42')).toMatchObject({ json: { value: { a: 1 }, labels: { kind: 'record' }, partition: 'hkg-1' } })
    await put('/v1/kv/config/a%2Fb?partition=global', null)
    expect(await call('/v1/kv/config/a/b?partition=global')).toMatchObject({ json: { key: 'a/b', value: null } })
    expect(await call('/v1/kv/config/a/b')).toMatchObject({ status: 404 })
    expect(await call('/v1/kv/tasks/rec-42', { method: 'DELETE' })).toMatchObject({ status: 200 })
    expect(await call('/v1/kv/tasks/rec-42', { method: 'DELETE' })).toMatchObject({ status: 404, json: { code: 'not-found' } })
  })

  it('compares revisions given as If-Match or in the query', async () => {
    await put('/v1/kv/tasks/a', 1)
    expect(await put('/v1/kv/tasks/a', 2, { 'if-match': '"r9"' })).toMatchObject({
      status: 409,
      type: 'application/problem+json',
      json: { code: 'conflict', detail: 'the revision is r1', remedy: 'read it again' },
    })
    expect(await put('/v1/kv/tasks/a', 2, { 'if-match': '"r1"' })).toMatchObject({ status: 200 })
    expect(await put('/v1/kv/tasks/a?revision=r1', 3)).toMatchObject({ status: 409 })
    expect(await put('/v1/kv/tasks/a?mode=create', 3)).toMatchObject({ status: 409 })
  })

  it('lists by partition and selector', async () => {
    await put('/v1/kv/tasks/a?label=kind=x', 1)
    await put('/v1/kv/tasks/b?label=kind=y', 1)
    await put('/v1/kv/tasks/c?label=kind=x&partition=nrt-1', 1)
    const keys = async (query: string): Promise<string[]> =>
      ((await call(`/v1/kv/tasks${query}`)).json as { items: RecordView[] }).items.map((record) => record.key)
    expect(await keys('')).toEqual(['a', 'b', 'c'])
    expect(await keys('?partition=hkg-1')).toEqual(['a', 'b'])
    expect(await keys(`?selector=${encodeURIComponent('kind in (x)')}`)).toEqual(['a', 'c'])
  })

  it('watches: what is, a bookmark, then what changes, until the client goes away', async () => {
    await put('/v1/kv/tasks/a?label=kind=x', 1)
    const response = await open('/v1/kv/tasks?watch=true&selector=kind%3Dx')
    const lines: { type: string; record?: RecordView }[] = []
    createInterface(response).on('line', (line) => lines.push(JSON.parse(line) as { type: string }))
    await vi.waitFor(() => expect(lines).toHaveLength(2))
    await put('/v1/kv/tasks/b?label=kind=y', 1)
    await put('/v1/kv/tasks/a?label=kind=x', 2)
    await vi.waitFor(() => expect(lines).toHaveLength(3))
    await put('/v1/kv/tasks/a?label=kind=y', 3)
    await put('/v1/kv/tasks/b?label=kind=x', 2)
    await vi.waitFor(() => expect(lines).toHaveLength(5))
    const told = lines.map(({ type, record }) => `${type} ${record?.key}`)
    expect(told).toEqual(['ADDED a', 'BOOKMARK undefined', 'MODIFIED a', 'DELETED a', 'ADDED b'])
    expect(backend.watchers.size).toBe(1)
    response.destroy()
    await vi.waitFor(() => expect(backend.watchers.size).toBe(0))
  })

  it('ends a watch whose reader is too slow, and says so', async () => {
    const response = await open('/v1/kv/tasks?watch=true')
    await vi.waitFor(() => expect(backend.watchers.size).toBe(1))
    const value = 'x'.repeat(2_000)
    for (let number = 0; backend.watchers.size > 0 && number < 100_000; number++) {
      await backend.write({ collection: 'tasks', partition: 'p', key: 'k', value })
      if (number % 100 === 0) await new Promise(setImmediate)
    }
    expect(backend.watchers.size).toBe(0)
    let last = ''
    for await (const line of createInterface(response)) last = line
    expect(JSON.parse(last)).toMatchObject({ error: { code: 'timeout' } })
  })

  it('streams events, what was and what comes', async () => {
    const response = await open('/v1/events')
    const lines: string[] = []
    createInterface(response).on('line', (line) => lines.push(line))
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    for (const listener of backend.listeners) listener({ at: 2, name: 'link-down', data: {} })
    await vi.waitFor(() => expect(lines).toHaveLength(2))
    response.destroy()
    expect(await call('/v1/events?follow=false')).toMatchObject({ json: { name: 'link-up' } })
  })

  it('pings, and tells at the end what failed', async () => {
    expect((await call('/v1/ping/core-1?count=3', { method: 'POST' })).json).toHaveLength(3)
    expect((await call('/v1/ping/gone?count=2', { method: 'POST' })).json).toMatchObject([
      {},
      {},
      { error: { code: 'unreachable', detail: 'no path works' } },
    ])
    const response = await open('/v1/ping/slow?count=1', { method: 'POST' })
    const before = backend.cancelledPings
    response.destroy()
    await vi.waitFor(() => expect(backend.cancelledPings).toBe(before + 1))
  })

  it('serves metrics', async () => {
    const response = await open('/metrics')
    let text = ''
    for await (const chunk of response) text += String(chunk)
    expect(response.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(parseExposition(text).get('causeway_link_state')?.samples).toHaveLength(4)
  })

  it('answers what it does not understand with a problem document', async () => {
    expect(await call('/v1/nonsense')).toMatchObject({ status: 404, json: { code: 'not-found' } })
    expect(await call('/v1/kv/tasks?selector=a%3E1')).toMatchObject({ status: 400, json: { code: 'usage' } })
    expect(await call('/v1/kv/tasks/a', { method: 'PUT' }, '{')).toMatchObject({ status: 400, json: { detail: 'the body is not JSON' } })
    expect(await call('/v1/kv/tasks/a', { method: 'PATCH' }, '{}')).toMatchObject({ status: 405 })
    expect(await call('/v1/kv/tasks/a?mode=maybe', { method: 'PUT' }, '1')).toMatchObject({ status: 400 })
    expect(await call('/v1/kv/tasks/a', { method: 'PUT' }, JSON.stringify('x'.repeat(2_000_000)))).toMatchObject({ status: 413 })
    expect(await call('/v1/ping/x?count=many', { method: 'POST' })).toMatchObject({ status: 400 })
  })

  it('does not show what went wrong inside', async () => {
    const { status, json } = await call('/v1/paths/bug')
    expect(status).toBe(500)
    expect(JSON.stringify(json)).not.toContain('secret')
  })

  it('replaces the socket of a dead process, and refuses that of a live one and any other file', async () => {
    await expect(LocalApi.start(socketPath, backend, exporter, pino({ level: 'silent' }))).rejects.toMatchObject({ code: 'port-in-use' })
    writeFileSync(join(directory, 'file'), '')
    await expect(LocalApi.start(join(directory, 'file'), backend, exporter, pino({ level: 'silent' }))).rejects.toMatchObject({
      code: 'config-invalid',
    })
    await expect(LocalApi.start(join(directory, 'x'.repeat(120)), backend, exporter, pino({ level: 'silent' }))).rejects.toMatchObject({
      code: 'config-invalid',
      remedy: expect.stringContaining('107'),
    })
    const left = join(directory, 'left.sock')
    await leaveSocket(left)
    const second = await LocalApi.start(left, backend, exporter, pino({ level: 'silent' }))
    await second.stop()
  })
})

/** What a process that was killed leaves behind: a socket file that nobody listens on. */
async function leaveSocket(path: string): Promise<void> {
  const { spawnSync } = await import('node:child_process')
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script, path])
  expect(statSync(path).isSocket()).toBe(true)
}
