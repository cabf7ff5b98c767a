/**
 * The `stream` lane of one connection. It begins on a libp2p stream of the connection and moves to a TCP socket of its own
 * as soon as that stands; when the socket dies it moves back at once, and tries for another. The side that dialled the
 * connection dials the socket too, since only that way is known to be open.
 *
 *  1. Messages keep their order across a move. The first message on a socket is a count: how many messages its sender has
 *     sent over the connection so far. The receiver holds what follows until it has had as many.
 *  2. A message over the connection beyond that count means that the peer has moved back: the socket is dead, here too.
 *  3. A move away from a dead socket may lose what its kernel had taken; what had not been written goes over the connection.
 *  4. There is at most one socket that is proven and one that is not; a proven one replaces an older one.
 */
import type { StreamKey } from '@causeway/protocol'
import type { BulkSocket } from './bulk-socket.ts'
import type { HostPort } from './host-port.ts'
import type { LaneGauge } from './lane-gauge.ts'
import type { LaneWriter } from './lane-writer.ts'
import type { StreamListener } from './stream-listener.ts'
import { type StreamCrypto, type StreamEnd, StreamSocket, type StreamSocketOptions } from './stream-socket.ts'

const REDIAL_MS_MIN = 1_000
const REDIAL_MS_MAX = 30_000
const COUNT_BYTES = 6

export interface StreamLaneOptions {
  /** Of the connection. */
  readonly writer: LaneWriter
  readonly gauge: LaneGauge
  /** Where the peer's host is, if we dialled it. */
  readonly host: string | undefined
  /** The local address to dial it from. @default any */
  readonly from?: string | undefined
  readonly local: StreamKey | null
  readonly listener: StreamListener | null
  readonly crypto: StreamCrypto
  readonly messageBytesMax: number
  readonly onMessages: (messages: Uint8Array[]) => void
  /** The peer broke the rules. */
  readonly onViolated: (reason: string) => void
  /** Called at most once: a dial of the peer's stream port failed, which does not end the attempts. */
  readonly onUnreachable: (address: HostPort, reason: string) => void
}

export class StreamLane {
  readonly #options: StreamLaneOptions
  #remote: StreamKey | undefined
  /** Proven: what is sent goes here. */
  #socket: StreamSocket | undefined
  /** Not proven yet. */
  #candidate: StreamSocket | undefined
  /** A peer that opened its socket before we were told its key. */
  #early: { readonly bulk: BulkSocket; readonly nonce: Uint8Array } | undefined
  #sentOver = 0
  #takenOver = 0
  /** What has to have come over the connection before anything of the socket is passed on; `undefined`: not told yet. */
  #due: number | undefined
  #held: Uint8Array[] = []
  #redialMs = REDIAL_MS_MIN
  #redial: NodeJS.Timeout | undefined
  #saidUnreachable = false
  #closed = false

  constructor(options: StreamLaneOptions) {
    this.#options = options
    const { local, listener } = options
    if (local) listener?.expect(local.token, (bulk, nonce) => this.#arrived(bulk, nonce))
  }

  /** The peer's key, and where it takes sockets. */
  open(remote: StreamKey): void {
    if (this.#closed || this.#remote || !this.#options.local) return
    this.#remote = remote
    this.#dial()
    if (this.#early) this.#arrived(this.#early.bulk, this.#early.nonce)
  }

  send(message: Uint8Array): void {
    if (this.#socket) {
      this.#socket.send(message)
      return
    }
    this.#sentOver++
    this.#options.writer.send(message)
  }

  /** Messages came over the connection. */
  takeOver(messages: Uint8Array[]): void {
    this.#takenOver += messages.length
    if (this.#due !== undefined && this.#takenOver > this.#due) this.#leaveSocket()
    this.#options.onMessages(messages)
    this.#release()
  }

  /** To be called when less waits on the connection than before. */
  report(): void {
    if (!this.#closed) this.#options.gauge.report(this.#options.writer.unsentBytes + (this.#socket?.unsentBytes ?? 0))
  }

  /** Drops what is queued; nothing is reported any more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#redial)
    const { local, listener, writer } = this.#options
    if (local) listener?.forget(local.token)
    writer.close()
    this.#early?.bulk.socket.destroy()
    this.#candidate?.destroy()
    this.#socket?.destroy()
    this.#socket = this.#candidate = this.#early = undefined
    this.#held = []
  }

  #dial(): void {
    const { host, from } = this.#options
    const remote = this.#remote
    if (this.#closed || host === undefined || !remote || remote.port === 0) return
    const address = { host, port: remote.port }
    this.#prepare(remote, (options) => StreamSocket.dial(address, options, from))
  }

  /** `tell`: that it could not be had. Not before it is tried again: a peer that sends us away takes the connection with it. */
  #redialLater(tell?: () => void): void {
    clearTimeout(this.#redial)
    this.#redial = setTimeout(() => {
      if (!this.#saidUnreachable) tell?.()
      this.#saidUnreachable ||= tell !== undefined
      this.#dial()
    }, this.#redialMs).unref()
    this.#redialMs = Math.min(REDIAL_MS_MAX, 2 * this.#redialMs)
  }

  /** The peer dialled us. */
  #arrived(bulk: BulkSocket, nonce: Uint8Array): void {
    if (this.#early?.bulk !== bulk) this.#early?.bulk.socket.destroy()
    this.#early = undefined
    if (this.#remote) this.#prepare(this.#remote, (options) => StreamSocket.accept(bulk, nonce, options))
    else this.#early = { bulk, nonce }
  }

  #prepare(remote: StreamKey, begin: (options: StreamSocketOptions) => StreamSocket): void {
    const { local, crypto, messageBytesMax } = this.#options
    if (!local) return
    this.#candidate?.destroy()
    const candidate: StreamSocket = begin({
      crypto,
      local,
      remote,
      messageBytesMax,
      onProven: () => this.#moveTo(candidate),
      onMessages: (messages) => this.#taken(messages),
      onProgress: () => this.report(),
      onEnd: (end) => this.#ended(candidate, end),
    })
    this.#candidate = candidate
  }

  #moveTo(candidate: StreamSocket): void {
    this.#candidate = undefined
    this.#leaveSocket()
    clearTimeout(this.#redial)
    this.#redialMs = REDIAL_MS_MIN
    this.#socket = candidate
    const count = Buffer.alloc(COUNT_BYTES)
    count.writeUIntBE(this.#sentOver, 0, COUNT_BYTES)
    candidate.announce(count)
  }

  /** Back to the connection, with what has not been written. */
  #leaveSocket(): void {
    const left = this.#socket
    if (!left) return
    this.#socket = undefined
    this.#due = undefined
    this.#held = []
    left.destroy()
    for (const message of left.takeUnsent()) this.send(message)
    this.#redialLater()
    this.report()
  }

  /** Messages came on the socket. */
  #taken(messages: Uint8Array[]): void {
    if (this.#due === undefined) {
      const count = messages.shift()
      if (count?.length !== COUNT_BYTES) return this.#options.onViolated('its first message on the stream lane is not a count')
      this.#due = Buffer.from(count).readUIntBE(0, COUNT_BYTES)
      // It has moved back already.
      if (this.#takenOver > this.#due) return this.#leaveSocket()
    }
    if (this.#takenOver >= this.#due) {
      if (messages.length > 0) this.#options.onMessages(messages)
      return
    }
    this.#socket?.pause()
    for (const message of messages) this.#held.push(message)
  }

  #release(): void {
    if (this.#closed || this.#takenOver !== this.#due) return
    const held = this.#held
    this.#held = []
    if (held.length > 0) this.#options.onMessages(held)
    this.#socket?.resume()
  }

  #ended(socket: StreamSocket, { cause, detail }: StreamEnd): void {
    const { listener, host, onViolated, onUnreachable } = this.#options
    if (cause !== 'gone' && listener) listener.dropped[cause]++
    if (socket === this.#socket) {
      this.#leaveSocket()
    } else if (socket === this.#candidate) {
      this.#candidate = undefined
      if (host !== undefined && this.#remote) {
        const address = { host, port: this.#remote.port }
        this.#redialLater(() => onUnreachable(address, detail))
      }
    }
    if (cause === 'malformed') onViolated(detail)
  }
}
