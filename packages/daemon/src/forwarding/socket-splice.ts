/**
 * A TCP socket and a channel joined into one connection. TCP has three signs and each has its counterpart: the end of one
 * direction (FIN) is `finish`, a broken connection (RST) is `reset`, and a receiver that does not read is a full window.
 *
 *  1. What one side sent before it ended its direction is written to the other side before that is ended there.
 *  2. A fault on either side is one on the other: RST, and never a clean end of what is not complete.
 *  3. A side that does not read stops the other one: at most what was under way is held here.
 *  4. `over` is called once, when socket and channel are both done with.
 *
 * Before there is a socket the first message of the channel goes to whoever makes one; what follows waits.
 */
import type { Duplex } from 'node:stream'
import type { ProgramChannel } from '../program-channel.ts'
import type { RateCap } from './rate-cap.ts'
import type { TrafficCounts } from './traffic.ts'

/** A client that vanished without a word holds its connection no longer than some minutes. */
const KEEPALIVE_MS = 60_000

/** A TCP socket, or what behaves like one. */
export type SpliceSocket = Duplex & {
  setNoDelay(on: boolean): unknown
  setKeepAlive(on: boolean, ms: number): unknown
  resetAndDestroy(): unknown
}

export interface SpliceEvents {
  /** The first message of the channel. Nothing else comes before `join`. */
  first(message: Uint8Array): void
  /** The channel ended before it was joined to a socket. */
  failed(reason: string | null): void
  over(): void
}

export class SocketSplice {
  readonly channel: ProgramChannel
  readonly #events: SpliceEvents
  readonly #counts: TrafficCounts
  readonly #cap: RateCap | undefined
  #socket: SpliceSocket | undefined
  #opened = false
  /** Came together with the first message. */
  #early: Uint8Array[] = []
  /** Why a side is not read: the other is full, or the cap is reached. */
  readonly #socketHeld = new Set<'full' | 'cap'>()
  readonly #channelHeld = new Set<'full' | 'cap' | 'unjoined'>()
  #socketEnded = false
  #socketClosed = false
  #channelFinished = false
  #channelEnded = false

  /** In the turn in which the channel was opened or accepted. */
  constructor(channel: ProgramChannel, events: SpliceEvents, counts: TrafficCounts, cap?: RateCap) {
    this.channel = channel
    this.#events = events
    this.#counts = counts
    this.#cap = cap
    channel.listen({
      messages: (messages) => this.#messages(messages),
      writable: () => this.#readSocket('full'),
      finished: () => {
        this.#channelFinished = true
        this.#endSocketIfDelivered()
      },
      ended: (reason) => this.#ended(reason),
    })
  }

  /** Whether the channel is there to be joined. */
  get open(): boolean {
    return !this.#channelEnded
  }

  /** A connected socket that nobody has read, with `allowHalfOpen`. */
  join(socket: SpliceSocket): void {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEPALIVE_MS)
    socket.on('drain', () => this.#readChannel('full'))
    socket.on('end', () => {
      this.#socketEnded = true
      this.channel.finish()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.channel.reset(`the connection broke: ${error.code ?? error.message}`))
    socket.on('close', () => this.#closed())
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.resume()
    const early = this.#early
    this.#early = []
    if (early.length > 0) this.#write(socket, early)
    this.#readChannel('unjoined')
  }

  /** Ends both sides at once. */
  reset(reason: string): void {
    this.channel.reset(reason)
    this.#socket?.resetAndDestroy()
  }

  // ---- socket → channel

  #data(chunk: Buffer): void {
    this.#counts.bytesOut += chunk.length
    if (!this.channel.send(chunk)) this.#socketHeld.add('full')
    const waitMs = this.#cap?.take(performance.now(), chunk.length) ?? 0
    if (waitMs > 0) {
      this.#socketHeld.add('cap')
      setTimeout(() => this.#readSocket('cap'), waitMs).unref()
    }
    if (this.#socketHeld.size > 0) this.#socket?.pause()
  }

  #readSocket(hindrance: 'full' | 'cap'): void {
    if (this.#socketHeld.delete(hindrance) && this.#socketHeld.size === 0) this.#socket?.resume()
  }

  #closed(): void {
    this.#socketClosed = true
    if (!this.#channelEnded && !(this.#socketEnded && this.#channelFinished)) this.channel.reset('the connection was closed')
    this.#overIfDone()
  }

  // ---- channel → socket

  #messages(messages: readonly Uint8Array[]): void {
    if (this.#opened) return this.#deliver(messages)
    const [first, ...rest] = messages
    if (!first) return
    this.#opened = true
    this.#holdChannel('unjoined')
    this.#events.first(first)
    if (rest.length > 0) this.#deliver(rest)
  }

  #deliver(messages: readonly Uint8Array[]): void {
    if (this.#socket) this.#write(this.#socket, messages)
    else this.#early.push(...messages)
  }

  #write(socket: SpliceSocket, messages: readonly Uint8Array[]): void {
    if (socket.destroyed || socket.writableEnded) return
    let bytes = 0
    socket.cork()
    for (const message of messages) {
      bytes += message.length
      socket.write(message)
    }
    socket.uncork()
    this.#counts.bytesIn += bytes
    if (socket.writableNeedDrain) this.#holdChannel('full')
    const waitMs = this.#cap?.take(performance.now(), bytes) ?? 0
    if (waitMs === 0) return
    this.#holdChannel('cap')
    setTimeout(() => this.#readChannel('cap'), waitMs).unref()
  }

  #holdChannel(hindrance: 'full' | 'cap' | 'unjoined'): void {
    this.#channelHeld.add(hindrance)
    this.channel.pause()
  }

  /** What was held comes at once, and may fill the socket again. */
  #readChannel(hindrance: 'full' | 'cap' | 'unjoined'): void {
    if (!this.#channelHeld.delete(hindrance) || this.#channelHeld.size > 0) return
    if (!this.#channelEnded) this.channel.resume()
    this.#endSocketIfDelivered()
  }

  /** A channel tells of its end although something of it is held. */
  #endSocketIfDelivered(): void {
    if (this.#channelFinished && (this.#channelHeld.size === 0 || this.#channelEnded)) this.#socket?.end()
  }

  #ended(reason: string | null): void {
    this.#channelEnded = true
    if (!this.#socket) this.#events.failed(reason)
    else if (reason === null) this.#endSocketIfDelivered()
    else this.#socket.resetAndDestroy()
    this.#overIfDone()
  }

  #overIfDone(): void {
    if (this.#channelEnded && (this.#socketClosed || !this.#socket)) this.#events.over()
  }
}
