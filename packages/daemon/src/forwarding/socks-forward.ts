/**
 * A SOCKS5 proxy (RFC 1928) whose world is this network: programs that know the protocol reach every service by its name,
 * `SERVICE.SITE.causeway` or `SERVICE.NODE.SITE.causeway`, without a forward for each. The port that is asked for does not
 * matter: a service has only one.
 */
import { type Server, type Socket, createServer } from 'node:net'
import { CausewayError, type ForwardView } from '@causeway/protocol'
import { type HostPort, formatHostPort } from '../host-port.ts'
import { parseHostName } from './destination.ts'
import { FailureNote, type Forward } from './forward.ts'
import { listenTcp } from './listen-socket.ts'
import { OpenConnections } from './open-connections.ts'
import type { ServiceConnector } from './service-connector.ts'
import { SOCKS_REPLY, type SocksReply, hearRequest, requestAnswer } from './socks-request.ts'
import type { SparingReports } from './sparing-reports.ts'
import { type TrafficCounts, noTraffic } from './traffic.ts'

/** For greeting and request. */
const PATIENCE_MS = 10_000
/** bound: clients that have not said yet where to. */
const UNDECIDED_MAX = 1_024

export class SocksForward implements Forward {
  readonly counts: TrafficCounts = noTraffic()
  readonly #server: Server
  readonly #reports: SparingReports
  readonly #failures = new FailureNote()
  readonly #connections: OpenConnections
  readonly #undecided = new Set<Socket>()
  #listen: HostPort

  private constructor(listen: HostPort, connector: ServiceConnector, reports: SparingReports) {
    this.#listen = listen
    this.#reports = reports
    this.#connections = new OpenConnections(connector, this.counts)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void this.#accept(socket))
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(listen: HostPort, connector: ServiceConnector, reports: SparingReports): Promise<SocksForward> {
    const forward = new SocksForward(listen, connector, reports)
    forward.#server.on('error', (error) => void forward.#failures.note(error))
    forward.#listen = await listenTcp(forward.#server, listen, 'socks')
    return forward
  }

  get id(): string {
    return `socks:${formatHostPort(this.#listen)}`
  }

  view(): Omit<ForwardView, 'origin'> {
    return {
      id: this.id,
      listen: formatHostPort(this.#listen),
      to: null,
      protocol: 'socks',
      class: 'ordered',
      idleSeconds: null,
      ...this.counts,
      lastFailure: this.#failures.last,
    }
  }

  close(): void {
    this.#server.close()
  }

  reset(reason: string): void {
    this.#connections.reset(reason)
    for (const socket of this.#undecided) socket.destroy()
  }

  async #accept(socket: Socket): Promise<void> {
    socket.on('error', () => {})
    if (this.#undecided.size >= UNDECIDED_MAX) {
      this.counts.refused++
      socket.destroy()
      return
    }
    this.#undecided.add(socket)
    const heard = await hearRequest(socket, PATIENCE_MS)
    this.#undecided.delete(socket)
    if (!heard) socket.destroy()
    else if ('refused' in heard) this.#refuse(socket, heard.reason, heard.refused)
    else await this.#connect(socket, heard.host)
  }

  async #connect(socket: Socket, host: string): Promise<void> {
    const destination = parseHostName(host)
    if (!destination) return this.#refuse(socket, `${host.slice(0, 80)} is no name like SERVICE.SITE.causeway`, SOCKS_REPLY.notAllowed)
    try {
      const splice = await this.#connections.connect(socket, destination)
      if (!splice) return
      socket.write(requestAnswer(SOCKS_REPLY.succeeded))
      splice.join(socket)
    } catch (error) {
      this.#tell(host, this.#failures.note(error))
      endWith(socket, requestAnswer(replyOf(error)))
    }
  }

  #refuse(socket: Socket, reason: string, reply: SocksReply | null): void {
    this.counts.refused++
    this.#tell(null, this.#failures.note(new CausewayError('refused', `a client was refused: ${reason}`, 'see the documentation of socks')))
    endWith(socket, reply === null ? Buffer.alloc(0) : requestAnswer(reply))
  }

  #tell(to: string | null, reason: string): void {
    this.#reports.tell('forward-failed', this.id, { forward: this.id, to, reason })
  }
}

function endWith(socket: Socket, answer: Buffer): void {
  // What the client still says is read and thrown away, so that the answer is not lost in a reset.
  socket.resume()
  socket.end(answer, () => setTimeout(() => socket.destroy(), 1_000).unref())
}

function replyOf(error: unknown): SocksReply {
  const { code, message } = error as CausewayError
  if (code === 'refused') return SOCKS_REPLY.notAllowed
  if (code === 'not-found' || code === 'timeout') return SOCKS_REPLY.hostUnreachable
  if (code !== 'unreachable') return SOCKS_REPLY.generalFailure
  return message.includes('cannot connect') ? SOCKS_REPLY.connectionRefused : SOCKS_REPLY.hostUnreachable
}
