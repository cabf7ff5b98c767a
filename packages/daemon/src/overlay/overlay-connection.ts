/**
 * A channel as libp2p's raw connection: bytes in order, with backpressure both ways. A channel carries messages and
 * libp2p wants a stream, so whatever is ready is sent as one message and their borders mean nothing.
 *
 *  1. While libp2p does not read, at most what had arrived waits here; the channel holds the rest and its window closes.
 *  2. What the peer sent before it finished is read before the connection counts as closed; a channel that broke
 *     aborts the connection at once, with the reason (`fault`).
 *  3. A raw connection has no half-open state: when the peer finishes, so do we.
 */
import type { AbortOptions, Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { CausewayError } from '@causeway/protocol'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ProgramChannel } from '../program-channel.ts'

/** One message: large enough to share its header, small enough that the channel's answer is not stale. */
const MESSAGE_BYTES_MAX = 64 * 1024
/** Enough for a sentence. */
const REASON_CHARACTERS_MAX = 120

type ByteList = Parameters<AbstractMultiaddrConnection['sendData']>[0]

export interface OverlayConnectionInit {
  readonly channel: ProgramChannel
  /** Name of this node. */
  readonly self: string
  readonly remoteAddr: Multiaddr
  readonly direction: MessageStreamDirection
  readonly log: Logger
}

export class OverlayConnection extends AbstractMultiaddrConnection {
  /** Names of the nodes at both ends; the channel has proved them. */
  readonly self: string
  readonly peer: string
  /** Why the channel broke. */
  fault: CausewayError | undefined
  readonly #channel: ProgramChannel
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()
  #arrived: Uint8Array[] = []
  #delivering = false
  #finished = false
  #peerFinished = false

  /** In the turn in which the channel was opened or accepted. */
  constructor({ channel, self, ...init }: OverlayConnectionInit) {
    super({ ...init, maxMessageSize: MESSAGE_BYTES_MAX })
    this.#channel = channel
    this.self = self
    this.peer = channel.peer
    channel.listen({
      messages: (messages) => {
        for (const message of messages) this.#arrived.push(message)
        this.#deliver()
        this.#closeIfRead()
      },
      writable: () => this.safeDispatchEvent('drain'),
      finished: () => {
        this.#peerFinished = true
        this.#closeIfRead()
      },
      ended: (reason) => this.#end(reason),
    })
  }

  override sendData(data: ByteList): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#channel.send(data.subarray()) }
  }

  override async sendClose({ signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const giveUp = (): void => aborted.reject(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    this.#finish()
    try {
      await Promise.race([this.#ended.promise, aborted.promise])
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  override sendReset(error: Error): void {
    this.#arrived = []
    this.#channel.reset(error.message.slice(0, REASON_CHARACTERS_MAX))
  }

  override sendPause(): void {
    this.#channel.pause()
  }

  override sendResume(): void {
    this.#deliver()
    if (this.readStatus === 'readable') this.#channel.resume()
    this.#closeIfRead()
  }

  /** Gives libp2p what has arrived, as long as it reads. It may pause and resume meanwhile. */
  #deliver(): void {
    if (this.#delivering) return
    this.#delivering = true
    let next = 0
    for (; next < this.#arrived.length && this.readStatus !== 'paused'; next++) this.onData(this.#arrived[next] ?? new Uint8Array())
    this.#arrived.splice(0, next)
    this.#delivering = false
  }

  /** What the peer had sent before it finished may still wait here, or in the channel. */
  #closeIfRead(): void {
    if (!this.#peerFinished || this.#delivering || this.readStatus === 'paused') return
    this.#finish()
    this.onTransportClosed()
  }

  #finish(): void {
    if (this.#finished) return
    this.#finished = true
    this.#channel.finish()
  }

  #end(reason: string | null): void {
    this.#ended.resolve()
    this.#finished = true
    if (reason !== null) {
      this.fault = new CausewayError(
        'unreachable',
        `the channel to ${this.peer} ended: ${reason}`,
        'dial again; `causeway paths` tells which ways there are',
      )
      this.abort(this.fault)
      return
    }
    this.#peerFinished = true
    this.#closeIfRead()
  }
}
