import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CausewayError, type EventView, type PingReply, type StatusView, type TraceView, type WhyView } from '@causeway/protocol'
import type { ApiBackend, RecordBackend, SharedBackend } from './api-backend.ts'
import type { FleetBackend } from './fleet-routes.ts'
import type { ForwardingBackend } from './forwarding/forwarding.ts'
import { LocalApi } from './local-api.ts'
import { fleetMetrics, linkMetrics } from './metrics/fleet-metrics.ts'
import { MetricsExporter } from './metrics/metrics-exporter.ts'
import { parseExposition } from './metrics/parse-exposition.ts'
import type { TaskBackend } from './tasks/task-backend.ts'

/** A node that only talks: enough to be seen over HTTP. Its records have a test of their own, kv-routes.test.ts. */
class TalkingBackend implements ApiBackend {
  readonly records = {} as RecordBackend
  readonly shared = {} as SharedBackend
  readonly fleet = {} as FleetBackend
  readonly forwarding = {} as ForwardingBackend
  readonly tasks = {} as TaskBackend
  readonly recentEvents: EventView[] = [{ at: 1, name: 'link-up', data: { peer: 'core-1' } }]
  readonly listeners = new Set<(event: EventView) => void>()
  cancelledPings = 0

  status(): StatusView {
    return { node: 'hkg-1-a', cutOff: true, role: 'edge', uplinks: [] } as unknown as StatusView
  }
  links(): [] {
    return []
  }
  documents() {
    return { items: [], token: 't' }
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
  let backend: TalkingBackend
  let api: LocalApi
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-api-'))
    socketPath = join(directory, 'api.sock')
    backend = new TalkingBackend()
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
    expect(await call('/v1/kv/tasks/a', { method: 'PUT' }, JSON.stringify('x'.repeat(2_000_000)))).toMatchObject({ status: 413 })
    expect(await call('/v1/ping/x?count=many', { method: 'POST' })).toMatchObject({ status: 400 })
  })

  it('does not show what went wrong inside', async () => {
    const { status, json } = await call('/v1/paths/bug')
    expect(status).toBe(500)
    expect(JSON.stringify(json)).not.toContain('secret')
  })

  it('makes its socket again when somebody removes it, and goes on with what is connected', async () => {
    const following = await open('/v1/events')
    const lines: string[] = []
    createInterface(following).on('line', (line) => lines.push(line))
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    rmSync(socketPath)
    await api.keepSocket()
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    expect(await call('/healthz')).toMatchObject({ status: 200 })
    for (const listener of backend.listeners) listener({ at: 2, name: 'link-down', data: {} })
    await vi.waitFor(() => expect(lines).toHaveLength(2))
    following.destroy()
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
