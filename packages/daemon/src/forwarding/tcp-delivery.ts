/** Delivers the connections of peers to a TCP server of this node. */
import { type Socket, connect } from 'node:net'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { ProgramChannel } from '../program-channel.ts'
import { CONNECTED, type Opening, decodeOpening } from './opening.ts'
import { proxyHeader } from './proxy-header.ts'
import type { ServiceGate } from './service-gate.ts'
import { SocketSplice } from './socket-splice.ts'

/** From the channel to the connected socket. */
const CONNECT_MS_MAX = 5_000
const NOWHERE: HostPort = { host: '127.0.0.1', port: 0 }

export class TcpDelivery {
  readonly #gate: ServiceGate
  readonly #splices = new Set<SocketSplice>()

  constructor(gate: ServiceGate) {
    this.#gate = gate
  }

  accept(channel: ProgramChannel): void {
    if (!this.#gate.admit(channel)) return
    if (channel.class !== 'ordered') {
      this.#gate.refuse(channel, 'misunderstood', `a connection needs a channel of class ordered, not ${channel.class}`)
      return
    }
    const { counts, cap } = this.#gate
    counts.open++
    counts.opened++
    let socket: Socket | undefined
    const patience = setTimeout(() => {
      socket?.destroy()
      this.#gate.fail(channel, `no connection within ${CONNECT_MS_MAX / 1000} s`)
    }, CONNECT_MS_MAX)
    const splice = new SocketSplice(
      channel,
      {
        first: (message) => {
          const opening = decodeOpening(message)
          if (opening) socket = this.#connect(splice, opening, () => clearTimeout(patience))
          else this.#gate.refuse(channel, 'misunderstood', 'the first message says nothing that this version understands')
        },
        failed: () => socket?.destroy(),
        over: () => {
          clearTimeout(patience)
          this.#splices.delete(splice)
          counts.open--
        },
      },
      counts,
      cap,
    )
    this.#splices.add(splice)
  }

  reset(reason: string): void {
    for (const splice of this.#splices) splice.reset(reason)
  }

  #connect(splice: SocketSplice, opening: Opening, onConnected: () => void): Socket {
    const { tcp: server = NOWHERE, proxyProtocol } = this.#gate.setting
    const socket = connect({ ...server, allowHalfOpen: true })
    const onError = (error: NodeJS.ErrnoException): void => {
      if (splice.open) this.#gate.fail(splice.channel, `${formatHostPort(server)}: ${error.code ?? error.message}`)
    }
    socket.on('error', onError)
    socket.once('connect', () => {
      onConnected()
      socket.off('error', onError)
      if (!splice.open) {
        socket.on('error', () => {})
        socket.destroy()
        return
      }
      if (proxyProtocol) socket.write(proxyHeader(opening.from, opening.to))
      splice.channel.send(CONNECTED)
      splice.join(socket)
    })
    return socket
  }
}
