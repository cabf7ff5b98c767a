/**
 * The connections of clients that a forward has open: each is counted from its acceptance to its end, there are not too
 * many, and a client that goes away while its connection is being made makes it be given up.
 */
import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { CausewayError } from '@causeway/protocol'
import type { HostPort } from '../host-port.ts'
import type { Destination } from './destination.ts'
import type { ServiceConnector } from './service-connector.ts'
import type { SocketSplice } from './socket-splice.ts'
import type { TrafficCounts } from './traffic.ts'

/** bound: of one forward; each takes a file descriptor and a channel. */
const CONNECTIONS_MAX = 8_192

type Client = Duplex & Partial<Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>>

export class OpenConnections {
  readonly #connector: ServiceConnector
  readonly #counts: TrafficCounts
  readonly #splices = new Set<SocketSplice>()
  #closing = new AbortController()

  constructor(connector: ServiceConnector, counts: TrafficCounts) {
    this.#connector = connector
    this.#counts = counts
    setMaxListeners(Infinity, this.#closing.signal)
  }

  /** The channel to join the socket to; `undefined` if the client has gone. Throws why there is none. */
  async connect(socket: Client, destination: Destination): Promise<SocketSplice | undefined> {
    const counts = this.#counts
    if (counts.open >= CONNECTIONS_MAX) {
      counts.refused++
      throw new CausewayError('refused', `there are ${CONNECTIONS_MAX} connections already`, 'spread them over more forwards')
    }
    counts.open++
    counts.opened++
    const gone = new AbortController()
    const onGone = (): void => gone.abort(new CausewayError('unreachable', 'the client has gone', 'connect again'))
    socket.on('error', onGone).once('close', onGone)
    let made: SocketSplice | undefined
    const onOver = (): void => {
      counts.open--
      if (made) this.#splices.delete(made)
    }
    try {
      const opening = { from: end(socket.remoteAddress, socket.remotePort), to: end(socket.localAddress, socket.localPort) }
      const signal = AbortSignal.any([gone.signal, this.#closing.signal])
      made = await this.#connector.connect({ destination, opening, counts, onOver }, signal)
    } catch (error) {
      counts.open--
      if (gone.signal.aborted) return undefined
      counts.failed++
      throw error
    }
    socket.off('error', onGone).off('close', onGone)
    if (!made.open) throw new CausewayError('unreachable', 'the connection ended as soon as it was made', 'connect again')
    this.#splices.add(made)
    if (!gone.signal.aborted) return made
    made.reset('the client has gone')
    return undefined
  }

  reset(reason: string): void {
    this.#closing.abort(new CausewayError('refused', reason, 'connect again'))
    this.#closing = new AbortController()
    setMaxListeners(Infinity, this.#closing.signal)
    for (const splice of this.#splices) splice.reset(reason)
  }
}

function end(host: string | undefined, port: number | undefined): HostPort | null {
  return host === undefined || port === undefined ? null : { host, port }
}
