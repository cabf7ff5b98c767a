/**
 * HTTP/1.1 as all our servers speak it: routes of Hono on a server of Node that survives whatever comes in.
 *
 *  1. What is no request is answered with a problem document too, as far as there is anybody to read it.
 *  2. A request that is not whole within `REQUEST_MS_MAX` ends; answers may last for ever.
 *  3. What answers is loaded with the first request: Node's `Request` and `Response` bring all of `fetch` and HTTP/2 with them,
 *     14 MB that a node whom nobody asks does not need.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { CausewayError, type Problem } from '@causeway/protocol'
import { problemOf, problemResponse } from './problem.ts'

/** Not imported: that would read all that the module exports, and some of it is `fetch` again. */
const { STATUS_CODES, createServer } = process.getBuiltinModule('node:http')

const REQUEST_MS_MAX = 10_000
/** How often that is looked at. */
const LOOK_MS = 2_500
/** For an answer to be read. */
const LINGER_MS = 2_000

export interface HttpLimits {
  readonly connectionsMax: number
  /** In bytes. @default that of Node */
  readonly headerBytesMax?: number | undefined
  /** Requests that become something else than HTTP. @default none */
  readonly upgrades?:
    | { wanted(request: IncomingMessage): boolean; take(request: IncomingMessage, socket: Socket, head: Uint8Array): void }
    | undefined
}

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

const NOT_LOADED = fault(500, 'the files of this program are no longer those that it was started from', 'restart the node')

const UPGRADED = new WeakMap<Server, Set<Socket>>()

async function loadAnswer(fetch: (request: Request) => Response | Promise<Response>): Promise<Answer> {
  const { getRequestListener } = await import('@hono/node-server')
  return getRequestListener(fetch, { hostname: 'localhost', errorHandler: faultResponse })
}

export function createHttpServer(fetch: (request: Request) => Response | Promise<Response>, limits: HttpLimits): Server {
  let loading: Promise<Answer> | undefined
  const options: ServerOptions = {
    // Who speaks to a socket may well leave it out.
    requireHostHeader: false,
    requestTimeout: REQUEST_MS_MAX,
    headersTimeout: REQUEST_MS_MAX,
    connectionsCheckingInterval: LOOK_MS,
    shouldUpgradeCallback: (request) => limits.upgrades?.wanted(request) ?? false,
    ...(limits.headerBytesMax !== undefined && { maxHeaderSize: limits.headerBytesMax }),
  }
  const answering = new WeakMap<object, ServerResponse>()
  const server = createServer(options, (request, response) => {
    const { socket } = request
    answering.set(socket, response)
    response.once('close', () => answering.delete(socket))
    loading ??= loadAnswer(fetch)
    loading.then(
      (answer) => answer(request, response),
      () => refuse(socket, NOT_LOADED),
    )
  })
  server.maxConnections = limits.connectionsMax
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // In the middle of an answer a second one would be part of it.
    if (!socket.writable || answering.get(socket)?.headersSent) socket.destroy()
    else refuse(socket as Socket, clientProblem(error.code))
  })
  if (limits.upgrades) {
    const sockets = new Set<Socket>()
    UPGRADED.set(server, sockets)
    server.on('upgrade', (request, stream, head) => {
      const socket = stream as Socket
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      limits.upgrades?.take(request, socket, head)
    })
  }
  server.on('checkExpectation', (request, response) => {
    const { status, text } = written(
      fault(417, `Expect: ${short(request.headers.expect ?? '')} is not understood`, 'leave it out, or expect 100-continue'),
    )
    response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' }).end(text)
  })
  return server
}

/** Ends all that is open, also what is HTTP no longer: a server of Node does not know of that, and would wait for it. */
export async function closeHttpServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  for (const socket of UPGRADED.get(server) ?? []) socket.destroy()
  await closed
}

/** Answers what never became a request, and hangs up. */
export function refuse(socket: Socket, problem: Problem): void {
  const { status, text } = written(problem)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ]
  socket.on('error', () => socket.destroy())
  // Whoever does not hang up in turn is hung up on.
  socket.setTimeout(LINGER_MS, () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\nConnection: close\r\n\r\n${text}`)
}

function clientProblem(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW')
    return fault(431, 'the head of the request is too large', 'send less in the path, the query and the headers')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return fault(408, `the request was not whole within ${REQUEST_MS_MAX / 1000} s`, 'send all of it at once')
  return fault(400, 'this is no HTTP/1.1 request', 'see /openapi.json for those that there are')
}

/** Of a request that Hono cannot make sense of: the host, the path. */
function faultResponse(error: unknown): Response {
  const isRequests = error instanceof Error && error.name === 'RequestError'
  return problemResponse(isRequests ? new CausewayError('usage', `the request is not understood: ${error.message}`, 'correct it') : error)
}

function fault(status: number, message: string, remedy: string): Problem {
  return problemOf(new CausewayError('usage', message, remedy), status)
}

function written(problem: Problem): { readonly status: number; readonly text: string } {
  return { status: problem.status, text: JSON.stringify(problem) }
}

function short(text: string): string {
  return text.slice(0, 60)
}
