/**
 * Delivers the datagrams of peers to a UDP server of this node. Each flow, which is a channel, has a socket of its own, so
 * that the server can tell them apart by their port, and its answers find back.
 */
import { type Socket, createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { ProgramChannel } from '../program-channel.ts'
import type { ServiceGate } from './service-gate.ts'

/** Datagrams that wait while the name of the server is looked up. */
const WAITING_MAX = 64
const NOWHERE: HostPort = { host: '127.0.0.1', port: 0 }

export class UdpDelivery {
  readonly #gate: ServiceGate
  readonly #datagramBytesMax: number
  readonly #channels = new Set<ProgramChannel>()

  constructor(gate: ServiceGate, datagramBytesMax: number) {
    this.#gate = gate
    this.#datagramBytesMax = datagramBytesMax
  }

  accept(channel: ProgramChannel): void {
    if (!this.#gate.admit(channel)) return
    const { counts, setting } = this.#gate
    counts.open++
    counts.opened++
    const { udp: server = NOWHERE, idleSeconds } = setting
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
    let waiting: Uint8Array[] | undefined = []
    let ended = false
    const fail = (error: NodeJS.ErrnoException): void => {
      if (!ended) this.#gate.fail(channel, `${formatHostPort(server)}: ${error.code ?? error.message}`)
    }
    const idle = setTimeout(() => channel.reset(`nothing was said for ${idleSeconds} s`), idleSeconds * 1000)
    socket.on('connect', () => {
      for (const datagram of ended ? [] : (waiting ?? [])) this.#deliver(socket, datagram, fail)
      waiting = undefined
    })
    socket.on('message', (datagram) => {
      idle.refresh()
      this.#answer(channel, datagram)
    })
    socket.on('error', fail)
    socket.connect(server.port, server.host)
    this.#channels.add(channel)
    channel.listen({
      messages: (messages) => {
        idle.refresh()
        for (const datagram of messages) {
          if (!waiting) this.#deliver(socket, datagram, fail)
          else if (waiting.length < WAITING_MAX) waiting.push(datagram)
          else counts.dropped++
        }
      },
      finished: () => channel.finish(),
      ended: () => {
        ended = true
        clearTimeout(idle)
        this.#channels.delete(channel)
        socket.close()
        counts.open--
      },
    })
  }

  reset(reason: string): void {
    for (const channel of this.#channels) channel.reset(reason)
  }

  /** That nobody listens there is told, if at all, by a later call. */
  #deliver(socket: Socket, datagram: Uint8Array, onError: (error: Error) => void): void {
    const { counts, cap } = this.#gate
    if (cap?.takeIfFree(performance.now(), datagram.length) === false) {
      counts.dropped++
      return
    }
    counts.bytesIn += datagram.length
    socket.send(datagram, (error) => {
      if (!error) return
      counts.dropped++
      onError(error)
    })
  }

  #answer(channel: ProgramChannel, datagram: Uint8Array): void {
    const { counts, cap } = this.#gate
    if (datagram.length > this.#datagramBytesMax || cap?.takeIfFree(performance.now(), datagram.length) === false) {
      counts.dropped++
      return
    }
    counts.bytesOut += datagram.length
    channel.send(datagram)
  }
}
