/**
 * A STAMP Session-Reflector on a UDP port: takes the time, asks the responder what to answer, stamps the answer and
 * sends it. Anybody may ask, so it never sends more than it got and never keeps what it cannot send.
 */
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { CausewayError, instant } from '@causeway/protocol'
import { type StampCounts, StampResponder, stampReply } from '@causeway/probe/probe-tool'
import { DepartureLead } from '../departure-lead.ts'
import { type HostPort, formatHostPort } from '../host-port.ts'
import { WallClock } from './wall-clock.ts'

const BUFFER_BYTES = 1024 * 1024
/** Replies that the system has not taken yet; more are dropped, as the network would. */
const QUEUE_BYTES_MAX = 256 * 1024
const RESOLUTION_MS = 1

export interface StampReflectorOptions {
  /** An IP address of this machine. */
  readonly listen: HostPort
  /** @default no limit */
  readonly packetsPerSecondMax?: number | undefined
  /** How far off this machine's clock is at most, if an outside source sets it. @default not known */
  readonly clockErrorMs?: number | undefined
  /** Where the address was set, for whoever has to change it. @default '--listen' */
  readonly setting?: string | undefined
}

export class StampReflector {
  readonly #socket: Socket
  readonly #responder: StampResponder
  readonly #wall = new WallClock()
  readonly #lead = new DepartureLead()
  #unsent = 0

  private constructor(socket: Socket, options: StampReflectorOptions) {
    const { clockErrorMs, packetsPerSecondMax } = options
    this.#socket = socket
    this.#responder = new StampResponder({
      clock: { synchronised: clockErrorMs !== undefined, format: 'ntp', errorMs: clockErrorMs ?? RESOLUTION_MS },
      packetsPerSecondMax,
    })
    socket.on('message', (request, from) => this.#reflect(request, from))
    socket.on('error', () => this.#unsent++)
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(options: StampReflectorOptions): Promise<StampReflector> {
    const { host, port } = options.listen
    const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', recvBufferSize: BUFFER_BYTES, lookup: unresolved })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind(port, host, () => {
          socket.off('error', reject)
          resolve()
        })
      })
    } catch (cause) {
      socket.close()
      throw listenFault(options, cause)
    }
    return new StampReflector(socket, options)
  }

  /** Where it listens, with the port that was chosen. */
  get address(): string {
    const { address, port } = this.#socket.address()
    return formatHostPort({ host: address, port })
  }

  get counts(): StampCounts & { readonly unsent: number } {
    return { ...this.#responder.counts, unsent: this.#unsent }
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }

  #reflect(request: Uint8Array, { address, port }: RemoteInfo): void {
    const receivedAt = this.#wall.now()
    const reply = this.#responder.reply(instant(performance.now()), `${address} ${port}`, request, receivedAt)
    if (!reply) return
    if (port === 0 || this.#socket.getSendQueueSize() > QUEUE_BYTES_MAX) {
      this.#unsent++
      return
    }
    const stampedAt = performance.now()
    stampReply(reply, this.#wall.now() + this.#lead.ms)
    this.#socket.send(reply, port, address, (error) => {
      if (error) this.#unsent++
    })
    this.#lead.left(performance.now() - stampedAt)
  }
}

/** Answers go to addresses: the default would ask the resolver, for each packet, and a turn later. */
function unresolved(address: string, _options: unknown, done: (error: null, address: string, family: number) => void): void {
  done(null, address, isIP(address))
}

function listenFault({ listen, setting = '--listen' }: StampReflectorOptions, cause: unknown): CausewayError {
  const { code, message } = cause as NodeJS.ErrnoException
  const where = `UDP ${formatHostPort(listen)}`
  if (code === 'EADDRINUSE') {
    return new CausewayError('port-in-use', `${where} is in use`, `stop what listens there, or set another port in ${setting}`, { cause })
  }
  if (code === 'EACCES') {
    const remedy = `set a port above 1023 in ${setting}, or allow this one (sysctl net.ipv4.ip_unprivileged_port_start)`
    return new CausewayError('config-invalid', `no permission to listen on ${where}`, remedy, { cause })
  }
  const remedy = `set ${setting} to an address of this machine`
  return new CausewayError('config-invalid', `cannot listen on ${where}: ${message}`, remedy, { cause })
}
