/**
 * Channels to services of the network, by their names: a stream to a TCP service, datagrams to a UDP service. They survive the death
 * of links and relays on their way; no port is opened that other programs of this machine could use.
 *
 *  1. A stream ends (`end`) only if the service has finished; whatever breaks it is an `error`.
 *  2. Who does not read stops the sender of a stream. Datagrams that nobody takes are dropped, the oldest first.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import {
  CausewayError,
  CHANNEL_FRAME_BYTES_MAX,
  CHANNEL_UPGRADE,
  type ChannelFrame,
  type ChannelFrameKind,
  ChannelFrameReader,
  channelFrameHead,
} from '@causeway/protocol'
import type { Transport } from './transport.ts'

/** Datagrams that wait for the program. */
const WAITING_MAX = 1_024
const NOTHING = new Uint8Array(0)

export type ChannelStream = Duplex

export interface DatagramsOptions {
  /**
   * `latest` drops what is late; `twin` sends each over two disjoint paths at once, so that a cut loses nothing.
   * @default 'latest'
   */
  readonly class?: 'latest' | 'twin' | undefined
  readonly signal?: AbortSignal | undefined
}

/** Those that come are iterated; the iteration ends with `close`, and throws when the node goes away. */
export interface Datagrams extends AsyncIterable<Uint8Array> {
  /** At most 64 KiB. May be lost, like all datagrams. */
  send(datagram: Uint8Array): void
  close(): void
}

export async function openStream(transport: Transport, service: string, signal: AbortSignal | undefined): Promise<ChannelStream> {
  const { socket, head } = await upgrade(transport, service, { proto: 'tcp' }, signal)
  return new ServiceStream(new Frames(socket), head, signal)
}

export async function openDatagrams(transport: Transport, service: string, options: DatagramsOptions): Promise<Datagrams> {
  const { socket, head } = await upgrade(transport, service, { proto: 'udp', class: options.class }, options.signal)
  return new ServiceDatagrams(new Frames(socket), head, options.signal)
}

function upgrade(
  transport: Transport,
  service: string,
  query: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal | undefined,
) {
  return transport.upgrade({ method: 'GET', path: ['open', service], query, signal }, CHANNEL_UPGRADE)
}

/** The connection to the daemon, frame by frame. */
class Frames {
  readonly socket: Socket
  readonly #reader = new ChannelFrameReader()

  constructor(socket: Socket) {
    this.socket = socket
  }

  /** False: the daemon has enough for now. */
  send(kind: ChannelFrameKind, bytes: Uint8Array): boolean {
    if (this.socket.destroyed || this.socket.writableEnded) return false
    this.socket.cork()
    this.socket.write(channelFrameHead(kind, bytes.length))
    const free = this.socket.write(bytes)
    this.socket.uncork()
    return free
  }

  listen(head: Uint8Array, onFrame: (frame: ChannelFrame) => void, onGone: (error: CausewayError) => void): void {
    const arrived = (chunk: Uint8Array): void => {
      const frames = this.#reader.push(chunk)
      if (frames) for (const frame of frames) onFrame(frame)
      else this.socket.destroy()
    }
    this.socket.on('error', () => undefined)
    this.socket.on('close', () =>
      onGone(new CausewayError('daemon-unreachable', 'the daemon has gone away', 'see its log, and open the channel anew')),
    )
    this.socket.on('data', arrived)
    if (head.length > 0) arrived(head)
  }
}

function broken({ bytes }: ChannelFrame): CausewayError {
  return new CausewayError('unreachable', new TextDecoder().decode(bytes) || 'the connection broke', 'connect again')
}

class ServiceStream extends Duplex {
  readonly #frames: Frames
  #finished = false

  constructor(frames: Frames, head: Uint8Array, signal: AbortSignal | undefined) {
    super({ allowHalfOpen: true, ...(signal && { signal }) })
    this.#frames = frames
    const take = (frame: ChannelFrame): void => {
      if (this.destroyed) return
      if (frame.kind === 'reset') this.destroy(broken(frame))
      else if (frame.kind === 'finish') {
        this.#finished = true
        this.push(null)
      } else if (frame.bytes.length > 0 && !this.push(frame.bytes)) frames.socket.pause()
    }
    frames.listen(head, take, (error) => {
      if (!this.#finished || !this.writableFinished) this.destroy(error)
    })
  }

  override _read(): void {
    this.#frames.socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const { socket } = this.#frames
    let free = true
    for (let at = 0; at < chunk.length; at += CHANNEL_FRAME_BYTES_MAX)
      free = this.#frames.send('data', chunk.subarray(at, at + CHANNEL_FRAME_BYTES_MAX))
    if (free || socket.destroyed) done()
    else socket.once('drain', done)
  }

  override _final(done: () => void): void {
    this.#frames.send('finish', NOTHING)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#finished || !this.writableFinished) this.#frames.send('reset', NOTHING)
    this.#frames.socket.end()
    done(error)
  }
}

class ServiceDatagrams implements Datagrams {
  readonly #frames: Frames
  #waiting: Uint8Array[] = []
  #closed = false
  #fault: CausewayError | undefined
  #wake: (() => void) | undefined

  constructor(frames: Frames, head: Uint8Array, signal: AbortSignal | undefined) {
    this.#frames = frames
    frames.listen(
      head,
      (frame) => {
        if (frame.kind !== 'data') return
        // The buffer it lies in is used again.
        if (this.#waiting.push(frame.bytes.slice()) > WAITING_MAX) this.#waiting.shift()
        this.#wake?.()
      },
      (error) => {
        this.#fault = error
        this.#wake?.()
      },
    )
    signal?.addEventListener('abort', () => this.close(), { once: true })
  }

  send(datagram: Uint8Array): void {
    if (datagram.length > CHANNEL_FRAME_BYTES_MAX)
      throw new CausewayError('usage', `a datagram of ${datagram.length} bytes is too long`, `send at most ${CHANNEL_FRAME_BYTES_MAX}`)
    if (!this.#closed && !this.#frames.socket.writableNeedDrain) this.#frames.send('data', datagram)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#frames.send('finish', NOTHING)
    this.#frames.socket.end()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next) yield next
      else if (this.#closed) return
      else if (this.#fault) throw this.#fault
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
