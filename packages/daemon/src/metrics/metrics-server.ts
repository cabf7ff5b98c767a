/**
 * `GET /metrics` for Prometheus, which cannot read a Unix socket: plain HTTP on the address of `api.metrics`, without
 * any other route than this and `/healthz`. What it tells (names of peers, delays, versions) is told to everybody who
 * reaches that address; that is why the config has to name it.
 */
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { CausewayError } from '@causeway/protocol'
import type { HostPort } from '../host-port.ts'
import { HttpServer } from '../http-server.ts'
import { problemResponse } from '../problem.ts'
import type { MetricsExporter } from './metrics-exporter.ts'

/** Scrapers are few; whoever opens more connections than this wants something else. */
const CONNECTIONS_MAX = 64

/** Also part of the local API. */
export function metricsRoutes(exporter: MetricsExporter): Hono {
  const routes = new Hono()
  routes.get('/healthz', (context) => context.json({ alive: true }))
  routes.get('/metrics', async (context) => context.body(await exporter.render(), 200, { 'content-type': exporter.contentType }))
  return routes
}

/** Throws `port-in-use` or `config-invalid`. */
export function startMetricsServer(listen: HostPort, exporter: MetricsExporter, log: Logger): Promise<HttpServer> {
  const routes = metricsRoutes(exporter)
  routes.onError((error) => {
    log.error({ err: error }, 'a scrape of the metrics failed')
    return problemResponse(error)
  })
  routes.notFound(() => problemResponse(new CausewayError('not-found', 'only /metrics and /healthz are served here', 'ask for /metrics')))
  return HttpServer.start(routes.fetch, { listen, setting: 'api.metrics', connectionsMax: CONNECTIONS_MAX, log })
}
