/**
 * The local API: HTTP/1.1 over a Unix socket that only the owner can open. It is how programs, the CLI and the
 * dashboard see a node; it decides nothing.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Logger } from 'pino'
import { CausewayError, CHANNEL_UPGRADE } from '@causeway/protocol'
import { openChannel, wantsChannel } from './api/channel-upgrade.ts'
import { checkRequests, refuseOtherMethods } from './api/operation.ts'
import { OPERATIONS } from './api/operations.ts'
import type { ApiBackend } from './api-backend.ts'
import { fleetRoutes } from './fleet-routes.ts'
import { forwardRoutes } from './forwarding/forward-routes.ts'
import { closeHttpServer, createHttpServer } from './http-listener.ts'
import { kvRoutes } from './kv-routes.ts'
import type { MetricsExporter } from './metrics/metrics-exporter.ts'
import { metricsRoutes } from './metrics/metrics-server.ts'
import { NdjsonStream } from './ndjson-stream.ts'
import type { PingRequest } from './node-runtime.ts'
import { problemResponse } from './problem.ts'
import { sharedRoutes } from './shared-routes.ts'
import { taskRoutes } from './tasks/task-routes.ts'
import { WorkDesk } from './tasks/work-routes.ts'
import { listenOnSocket, removeSocket } from './unix-socket.ts'

const BODY_BYTES_MAX = 1024 * 1024
/** A token of a partition with a thousand writers fits in a query. */
export const HEADER_BYTES_MAX: number = 128 * 1024
const DISCARDED_BYTES_MAX = 32 * BODY_BYTES_MAX
/** Watches, workers and all else of one machine. */
const CONNECTIONS_MAX = 4_096
/** How often it is looked whether the socket is still there: who tidies up a folder may take it away. */
const LOOK_MS = 5_000

const NO_UPGRADE = new CausewayError('usage', 'a channel is no answer of HTTP', `ask for "Upgrade: ${CHANNEL_UPGRADE}", on the Unix socket`)
const BROKEN_OFF = new CausewayError('usage', 'the request was broken off', 'send all of it')

/** The routes alone, without a server. */
function createApiRoutes(backend: ApiBackend, desk: WorkDesk, exporter: MetricsExporter, log: Logger): Hono {
  const routes = new Hono()
  routes.onError((error) => {
    // Nobody is left to be answered.
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return problemResponse(BROKEN_OFF)
    if (!(error instanceof CausewayError)) log.error({ err: error }, 'a request to the local API failed')
    return problemResponse(error)
  })
  routes.notFound((context) =>
    problemResponse(new CausewayError('not-found', `there is no ${context.req.path.slice(0, 200)}`, 'see /openapi.json for what there is')),
  )
  routes.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: ({ req }) => tooLarge(req.raw.body) }))
  const operations = Object.values(OPERATIONS)
  checkRequests(routes, operations)
  routes.get('/openapi.json', async (context) => {
    const { openApiDocument } = await import('./api/openapi.ts')
    return context.json(openApiDocument(backend.status().version))
  })
  routes.route('/', metricsRoutes(exporter))
  routes.get('/readyz', (context) => {
    const { cutOff, uplinks, role } = backend.status()
    return context.json({
      ready: true,
      autonomous: role === 'edge' && cutOff,
      uplinks: uplinks.filter((uplink) => uplink.state === 'up').length,
    })
  })
  routes.get('/v1/status', (context) => context.json(backend.status()))
  routes.get('/v1/links', (context) => context.json(backend.links()))
  routes.get('/v1/channels', (context) => context.json(backend.channels()))
  routes.get('/v1/docs', (context) => context.json(backend.documents()))
  routes.get('/v1/paths/:to', (context) => context.json(backend.paths(context.req.param('to'))))
  routes.get('/v1/why/:from/:to', async (context) => context.json(await backend.why(context.req.param('from'), context.req.param('to'))))
  routes.get('/v1/trace/:to', async (context) => context.json(await backend.trace(context.req.param('to'))))
  routes.post('/v1/drain', (context) => context.json(backend.drain(true)))
  routes.delete('/v1/drain', (context) => context.json(backend.drain(false)))
  routes.get('/v1/events', (context) => events(backend, context.req.query('follow') !== 'false'))
  routes.post('/v1/ping/:to', ({ req }) => {
    const { count = 5, intervalMs = 1_000, bytes = 64 } = req.query()
    return ping(backend, { to: req.param('to'), count: Number(count), intervalMs: Number(intervalMs), bytes: Number(bytes) })
  })
  routes.route('/v1/kv', kvRoutes(backend.records))
  routes.route('/v1/shared', sharedRoutes(backend.shared))
  routes.route('/v1', fleetRoutes(backend.fleet))
  routes.route(
    '/v1',
    forwardRoutes(backend.forwarding, (listener) => backend.onEvent(listener)),
  )
  routes.get('/v1/open/:to', () => problemResponse(NO_UPGRADE, 426))
  routes.route('/v1/tasks', taskRoutes(backend.tasks))
  routes.route('/v1/work', desk.routes())
  refuseOtherMethods(routes, operations)
  return routes
}

export class LocalApi {
  /** For other servers of the same. */
  readonly routes: Hono
  readonly #server: Server
  readonly #socket: string
  readonly #desk: WorkDesk
  readonly #log: Logger
  readonly #looking: NodeJS.Timeout
  #listening: Promise<void> = Promise.resolve()
  #isLost = false

  private constructor(routes: Hono, server: Server, socket: string, desk: WorkDesk, log: Logger) {
    this.routes = routes
    this.#server = server
    this.#socket = socket
    this.#desk = desk
    this.#log = log
    this.#looking = setInterval(() => void this.keepSocket(), LOOK_MS).unref()
    server.on('error', (error) => log.error({ err: error }, 'the local API has a fault'))
  }

  /** Throws `port-in-use` if a live process has the socket, `config-invalid` if it cannot be made. */
  static async start(socket: string, backend: ApiBackend, exporter: MetricsExporter, log: Logger): Promise<LocalApi> {
    const desk = new WorkDesk(backend.tasks)
    const routes = createApiRoutes(backend, desk, exporter, log)
    const server = createHttpServer(routes.fetch, {
      connectionsMax: CONNECTIONS_MAX,
      headerBytesMax: HEADER_BYTES_MAX,
      upgrades: { wanted: wantsChannel, take: (...channel) => void openChannel(backend.forwarding, ...channel) },
    })
    await listenOnSocket(server, socket)
    return new LocalApi(routes, server, socket, desk, log)
  }

  /** Listens anew if the socket was removed; what is connected goes on. */
  keepSocket(): Promise<void> {
    this.#listening = this.#listening.then(() => (existsSync(this.#socket) ? undefined : this.#listenAnew()))
    return this.#listening
  }

  async #listenAnew(): Promise<void> {
    const [socket, server] = [this.#socket, this.#server]
    try {
      if (!this.#isLost) this.#log.warn({ socket }, 'somebody has removed the socket of the local API; it is made again')
      this.#isLost = true
      server.close()
      const listeners = server.listeners('error')
      await listenOnSocket(server, socket)
      for (const listener of listeners) server.on('error', listener as (error: Error) => void)
      this.#isLost = false
    } catch (error) {
      this.#log.debug({ err: error }, 'the socket of the local API cannot be made yet')
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking)
    await this.#listening
    this.#desk.close()
    await closeHttpServer(this.#server)
    removeSocket(this.#socket)
  }
}

function events(backend: ApiBackend, follow: boolean): Response {
  const stream = new NdjsonStream(() => off())
  const off = follow ? backend.onEvent((event) => stream.write(event)) : (): void => {}
  stream.begin(backend.recentEvents.slice())
  if (!follow) stream.end()
  return stream.response()
}

function ping(backend: ApiBackend, request: PingRequest): Response {
  if (request.to === backend.status().node) throw new CausewayError('refused', 'a node does not ping itself', 'name another node')
  const stream = new NdjsonStream(() => running.cancel())
  const running = backend.ping(request, (reply) => stream.write(reply))
  const remedy = `see why: causeway paths ${request.to}`
  running.ended.then(
    (error) => stream.end(error === null ? undefined : new CausewayError('unreachable', error, remedy)),
    (error: unknown) => stream.end(error),
  )
  return stream.response()
}

/**
 * The rest is read and thrown away, within a bound: a socket that is closed with something unread is reset, and the answer
 * with it (RFC 9112, 9.6).
 */
async function tooLarge(body: ReadableStream<Uint8Array> | null): Promise<Response> {
  try {
    let left = DISCARDED_BYTES_MAX
    for await (const chunk of body ?? []) if ((left -= chunk.length) < 0) break
  } catch {
    // Whoever sends it has gone, or somebody has read it already.
  }
  return problemResponse(
    new CausewayError('usage', `the body is larger than ${BODY_BYTES_MAX} bytes`, 'store large values elsewhere and put a reference here'),
    413,
  )
}
