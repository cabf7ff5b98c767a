/**
 * `GET /metrics` for Prometheus, which cannot read a Unix socket: plain HTTP on the address of `api.metrics`, without
 * any other route than this and `/healthz`. What it tells (names of peers, delays, versions) is told to everybody who
 * reaches that address; that is why the config has to name it.
 */
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { CausewayError } from '@causeway/protocol'
import { type HostPort, formatHostPort } from '../host-port.ts'
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

export class MetricsServer {
  readonly #server: Server
  readonly #host: string

  private constructor(server: Server, host: string) {
    this.#server = server
    this.#host = host
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(listen: HostPort, exporter: MetricsExporter, log: Logger): Promise<MetricsServer> {
    const routes = metricsRoutes(exporter)
    routes.onError((error) => {
      log.error({ err: error }, 'a scrape of the metrics failed')
      return problemResponse(error)
    })
    routes.notFound(() => problemResponse(new CausewayError('not-found', 'only /metrics and /healthz are served here', 'ask for /metrics')))
    const listener = getRequestListener(routes.fetch)
    const server = createServer((request, response) => void listener(request, response))
    server.maxConnections = CONNECTIONS_MAX
    server.on('clientError', (_error, client) => client.destroy())
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, listen)))
      server.listen(listen.port, listen.host, resolve)
    })
    server.removeAllListeners('error')
    server.on('error', (error) => log.error({ err: error }, 'the metrics server has a fault'))
    return new MetricsServer(server, listen.host)
  }

  /** Where it listens, with the port that was chosen. */
  get address(): string {
    return formatHostPort({ host: this.#host, port: (this.#server.address() as AddressInfo).port })
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

function listenError(cause: NodeJS.ErrnoException, listen: HostPort): CausewayError {
  const address = formatHostPort(listen)
  if (cause.code === 'EADDRINUSE') {
    const remedy = 'stop the program that uses it, or set another port in api.metrics'
    return new CausewayError('port-in-use', `TCP ${address} is in use, so api.metrics cannot be served`, remedy, { cause })
  }
  const remedy = 'set api.metrics to an address of this machine and a port that may be opened'
  return new CausewayError('config-invalid', `cannot serve api.metrics on TCP ${address}: ${cause.message}`, remedy, { cause })
}
