import { createServer } from 'node:net'
import { once } from 'node:events'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fleetMetrics, linkMetrics } from './fleet-metrics.ts'
import { MetricsExporter } from './metrics-exporter.ts'
import type { HttpServer } from '../http-server.ts'
import { startMetricsServer } from './metrics-server.ts'
import { parseExposition } from './parse-exposition.ts'

const log = pino({ level: 'silent' })
const LISTEN = { host: '127.0.0.1', port: 0 }

describe('metrics over TCP', () => {
  let broken: boolean
  let server: HttpServer
  beforeEach(async () => {
    broken = false
    const exporter = new MetricsExporter(() => {
      if (broken) throw new Error('secret detail')
      return fleetMetrics([linkMetrics('hkg-1-a')])
    })
    server = await startMetricsServer(LISTEN, exporter, log)
  })
  afterEach(() => server.stop())

  function ask(path: string, method = 'GET'): Promise<Response> {
    return fetch(`http://${server.address}${path}`, { method })
  }

  it('serves metrics and health, and nothing of the API', async () => {
    const response = await ask('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(parseExposition(await response.text()).get('causeway_node_info')?.samples).toHaveLength(1)
    expect(await (await ask('/healthz')).json()).toEqual({ alive: true })
    for (const path of ['/v1/status', '/v1/kv/tasks', '/']) expect((await ask(path)).status).toBe(404)
    expect((await ask('/metrics', 'POST')).status).toBe(404)
  })

  it('does not show what went wrong inside, and recovers', async () => {
    broken = true
    const failed = await ask('/metrics')
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain('secret')
    broken = false
    expect((await ask('/metrics')).status).toBe(200)
  })

  it('names the key when it cannot listen', async () => {
    const exporter = new MetricsExporter(() => fleetMetrics([]))
    const other = createServer().listen(LISTEN)
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await expect(startMetricsServer({ ...LISTEN, port }, exporter, log)).rejects.toMatchObject({
      code: 'port-in-use',
      message: `TCP 127.0.0.1:${port} is in use, so api.metrics cannot be served`,
      remedy: expect.stringContaining('api.metrics'),
    })
    other.close()
    // An address of TEST-NET-1 (RFC 5737): no machine has it.
    await expect(startMetricsServer({ host: '192.0.2.1', port: 1 }, exporter, log)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('cannot serve api.metrics on TCP 192.0.2.1:1'),
    })
  })
})
