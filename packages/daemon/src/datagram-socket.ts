/**
 * A UDP socket that sends what fits, and drops what does not: more in its queue would only be late. It lives in the
 * datagram thread, which imports little.
 */
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import type { HostPort } from './host-port.ts'

const SOCKET_BUFFER_BYTES = 1024 * 1024
/** Beyond what the kernel takes. */
const SEND_QUEUE_BYTES_MAX = 256 * 1024

export interface DatagramSocketOptions {
  readonly onBound: (port: number) => void
  readonly onMessage: (packet: Buffer, from: RemoteInfo) => void
  /** It could not be bound, and is no more. */
  readonly onBindError: (cause: NodeJS.ErrnoException) => void
}

export class DatagramSocket {
  readonly #socket: Socket
  /** Bytes that may be sent before we have to ask how many wait to leave. */
  #sendCredit = 0
  #bound = false

  constructor(listen: HostPort, { onBound, onMessage, onBindError }: DatagramSocketOptions) {
    // Only addresses are ever sent to: the default would ask the resolver, for each packet, and a turn later.
    const family = isIP(listen.host) === 6 ? 6 : 4
    const socket = createSocket({ type: `udp${family}`, lookup: (address, _options, done) => done(null, address, family) })
    this.#socket = socket
    const failed = (cause: NodeJS.ErrnoException): void => {
      socket.close()
      onBindError(cause)
    }
    socket.once('error', failed)
    socket.bind({ address: listen.host, port: listen.port }, () => {
      this.#bound = true
      socket.off('error', failed)
      // For instance ICMP "port unreachable" of an earlier datagram: the lane just loses it.
      socket.on('error', () => {})
      socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
      socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
      socket.on('message', onMessage)
      onBound(socket.address().port)
    })
  }

  /** False if it was not handed to the kernel. */
  send(packet: Uint8Array, { host, port }: HostPort): boolean {
    if (!this.#bound || !this.#mayLeave(packet.length)) return false
    try {
      this.#socket.send(packet, port, host)
      return true
    } catch {
      // An address that cannot be sent to, such as port 0, which a packet may well claim to come from.
      return false
    }
  }

  close(): void {
    this.#socket.close()
  }

  /** The queue cannot grow by more than we send: as long as that would still fit, nobody has to look at it. */
  #mayLeave(bytes: number): boolean {
    if (this.#sendCredit < bytes) this.#sendCredit = SEND_QUEUE_BYTES_MAX - this.#socket.getSendQueueSize()
    if (this.#sendCredit < bytes) return false
    this.#sendCredit -= bytes
    return true
  }
}
