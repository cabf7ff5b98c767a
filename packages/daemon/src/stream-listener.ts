/**
 * Where peers open their sockets for the `stream` lane. A socket that says a token we have given out is handed to the
 * connection of that token, which lets it prove the rest; any other costs a closed socket and a count.
 *
 *  1. A stranger holds a socket for at most `TOKEN_MS_MAX`, and strangers together hold at most `STRANGERS_MAX`: then the
 *     oldest goes.
 *  2. No fault of a socket escapes as an error event.
 */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { CausewayError } from '@causeway/protocol'
import { type BulkSocket, acceptBulk } from './bulk-socket.ts'
import { type HostPort, formatHostPort } from './host-port.ts'
import { NONCE_BYTES, TOKEN_BYTES } from './stream-socket.ts'

const TOKEN_MS_MAX = 5_000
/** 500 gateways may come back at once. */
const STRANGERS_MAX = 1_024
const BACKLOG = 4_096

/**
 * Sockets of the stream lane that were closed, since the start. `unknown`: they said no token of ours, or none in time.
 * `forged`: what they sent was not sealed by the peer. `malformed`: it was, and broke the rules.
 */
export interface StreamDrops {
  unknown: number
  forged: number
  malformed: number
}

/** Takes a socket that has said its token and this nonce. */
export type TakeStream = (bulk: BulkSocket, diallerNonce: Uint8Array) => void

export class StreamListener {
  readonly port: number
  readonly dropped: StreamDrops = { unknown: 0, forged: 0, malformed: 0 }
  readonly #server: Server
  readonly #expected = new Map<string, TakeStream>()
  /** Sockets that have not said their token, oldest first. */
  readonly #strangers = new Map<Socket, NodeJS.Timeout>()

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => this.#arrived(acceptBulk(socket)))
    // Too many open files, for instance: the socket is lost, the listener goes on.
    server.on('error', () => {})
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(listen: HostPort): Promise<StreamListener> {
    const server = createServer({ pauseOnConnect: true })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host: listen.host, port: listen.port, backlog: BACKLOG }, resolve)
    try {
      await promise
    } catch (cause) {
      throw listenError(cause as NodeJS.ErrnoException, listen)
    }
    server.off('error', reject)
    return new StreamListener(server)
  }

  expect(token: Uint8Array, take: TakeStream): void {
    this.#expected.set(nameOf(token), take)
  }

  forget(token: Uint8Array): void {
    this.#expected.delete(nameOf(token))
  }

  /** Listens no more. Sockets that were handed over are their owners'. */
  stop(): void {
    this.#server.close()
    for (const socket of this.#strangers.keys()) {
      this.#forgetStranger(socket)
      socket.destroy()
    }
  }

  #arrived(bulk: BulkSocket): void {
    const { socket } = bulk
    const oldest = this.#strangers.keys().next().value
    if (this.#strangers.size >= STRANGERS_MAX && oldest) this.#refuse(oldest)
    this.#strangers.set(socket, setTimeout(() => this.#refuse(socket), TOKEN_MS_MAX).unref())
    socket.once('close', () => this.#forgetStranger(socket))
    let greeting = Buffer.alloc(0)
    bulk.onChunk = (chunk) => {
      greeting = Buffer.concat([greeting, chunk.subarray(0, GREETING_BYTES + 1 - greeting.length)])
      if (greeting.length < GREETING_BYTES) return
      const take = this.#expected.get(nameOf(greeting.subarray(0, TOKEN_BYTES)))
      // Who says more than that before we have answered is not one of us.
      if (!take || greeting.length > GREETING_BYTES) return this.#refuse(socket)
      this.#forgetStranger(socket)
      bulk.onChunk = () => {}
      take(bulk, greeting.subarray(TOKEN_BYTES))
    }
  }

  #refuse(socket: Socket): void {
    if (!this.#strangers.has(socket)) return
    this.dropped.unknown++
    this.#forgetStranger(socket)
    socket.destroy()
  }

  #forgetStranger(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket))
    this.#strangers.delete(socket)
  }
}

const GREETING_BYTES = TOKEN_BYTES + NONCE_BYTES

function nameOf(token: Uint8Array): string {
  return Buffer.from(token.buffer, token.byteOffset, token.length).toString('latin1')
}

function listenError(cause: NodeJS.ErrnoException, listen: HostPort): CausewayError {
  const address = formatHostPort(listen)
  if (cause.code === 'EADDRINUSE') {
    return new CausewayError(
      'port-in-use',
      `TCP ${address} is in use`,
      'stop the program that uses it, or set another port in listen.stream',
      { cause },
    )
  }
  return new CausewayError(
    'config-invalid',
    `cannot listen on TCP ${address}: ${cause.message}`,
    'set listen.stream to an address of this machine',
    { cause },
  )
}
