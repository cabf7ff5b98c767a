/**
 * Datagrams through an emulated link: each sender gets a socket of its own towards the target, as a NAT would give it,
 * so that answers find their way back. A cut drops what arrives and what is under way.
 */
import { createSocket, type Socket } from 'node:dgram'
import { DelayLine } from './delay-line.ts'

/** Senders remembered per link; beyond it the oldest is forgotten. One is the rule. */
const SENDERS_MAX = 32

export interface UdpRelayOptions {
  readonly targetPort: number
  readonly delayMs: number
  readonly isCut: () => boolean
  readonly onBytes: (direction: 'forward' | 'backward', bytes: number) => void
}

interface Sender {
  readonly socket: Socket
  readonly forward: DelayLine<Uint8Array>
  readonly backward: DelayLine<Uint8Array>
}

export class UdpRelay {
  readonly #front: Socket
  readonly #options: UdpRelayOptions
  readonly #senders = new Map<string, Sender>()

  constructor(front: Socket, options: UdpRelayOptions) {
    this.#front = front
    this.#options = options
    front.on('message', (message, { address, port }) => {
      options.onBytes('forward', message.length)
      if (!options.isCut()) this.#senderOf(address, port).forward.push(message)
    })
    // A target that is not there (yet) answers with ICMP; for datagrams that is no fault.
    front.on('error', () => undefined)
  }

  destroy(): void {
    for (const key of this.#senders.keys()) this.#forget(key)
    this.#front.close()
  }

  #senderOf(address: string, port: number): Sender {
    const key = `${address}:${port}`
    const known = this.#senders.get(key)
    if (known) return known
    const [oldest] = this.#senders.keys()
    if (this.#senders.size >= SENDERS_MAX && oldest !== undefined) this.#forget(oldest)

    const { targetPort, delayMs, isCut, onBytes } = this.#options
    const socket = createSocket('udp4')
    const sender: Sender = {
      socket,
      forward: new DelayLine(delayMs, (message) => {
        if (!isCut()) socket.send(message, targetPort, '127.0.0.1', () => undefined)
      }),
      backward: new DelayLine(delayMs, (message) => {
        if (!isCut()) this.#front.send(message, port, address, () => undefined)
      }),
    }
    socket.on('message', (message) => {
      onBytes('backward', message.length)
      if (!isCut()) sender.backward.push(message)
    })
    socket.on('error', () => undefined)
    this.#senders.set(key, sender)
    return sender
  }

  #forget(key: string): void {
    const sender = this.#senders.get(key)
    this.#senders.delete(key)
    sender?.forward.clear()
    sender?.backward.clear()
    sender?.socket.close()
  }
}
