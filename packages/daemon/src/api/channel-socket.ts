/**
 * The end of a program's channel that the daemon holds: a byte stream over frames (`channel-api.ts`), which tells a clean end from a
 * broken one. It looks like a TCP socket to whoever joins it to a channel of the network.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { CHANNEL_FRAME_BYTES_MAX, type ChannelFrame, type ChannelFrameKind, ChannelFrameReader, channelFrameHead } from '@causeway/protocol'

export interface ChannelSocketEvents {
  /** Of a UDP service: each frame by itself, instead of the stream. */
  readonly datagram?: (bytes: Uint8Array) => void
}

export class ChannelSocket extends Duplex {
  readonly #socket: Socket
  readonly #reader = new ChannelFrameReader()
  readonly #datagram: ChannelSocketEvents['datagram']
  #finishSeen = false

  /** `head`: what has come already. */
  constructor(socket: Socket, head: Uint8Array, { datagram }: ChannelSocketEvents = {}) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    this.#datagram = datagram
    // Each of its users listens for faults, but nobody between them.
    this.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk))
    socket.on('error', (error) => this.destroy(error))
    // Whoever hangs up without a word has not finished; what came before the finish may still wait to be read.
    socket.on('end', () => {
      if (!this.#finishSeen) this.destroy(new Error('the program hung up'))
    })
    socket.on('close', () => {
      if (!this.#finishSeen || !this.writableFinished) this.destroy(new Error('the program hung up'))
    })
    if (head.length > 0) this.#arrived(head)
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  /** The program is told why. */
  resetAndDestroy(reason = 'the connection broke'): this {
    this.frame('reset', Buffer.from(reason))
    this.#socket.end()
    return this.destroy()
  }

  /** False: the program reads too slowly. */
  frame(kind: ChannelFrameKind, bytes: Uint8Array): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return false
    this.#socket.cork()
    this.#socket.write(channelFrameHead(kind, bytes.length))
    const free = this.#socket.write(bytes)
    this.#socket.uncork()
    return free
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let free = true
    for (let at = 0; at < chunk.length; at += CHANNEL_FRAME_BYTES_MAX)
      free = this.frame('data', chunk.subarray(at, at + CHANNEL_FRAME_BYTES_MAX))
    if (free || this.#socket.destroyed) done()
    else this.#socket.once('drain', done)
  }

  override _final(done: () => void): void {
    this.frame('finish', new Uint8Array())
    done()
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error) this.#socket.destroy()
    else this.#socket.end()
    done(error)
  }

  #arrived(chunk: Uint8Array): void {
    const frames = this.#reader.push(chunk)
    if (frames) for (const each of frames) this.#take(each)
    else this.destroy(new Error('the program does not speak in frames'))
  }

  #take({ kind, bytes }: ChannelFrame): void {
    if (this.destroyed) return
    if (kind === 'reset') this.destroy(new Error('reset by the program'))
    else if (kind === 'finish') {
      this.#finishSeen = true
      this.push(null)
    } else if (this.#datagram) this.#datagram(bytes)
    else if (bytes.length > 0 && !this.push(bytes)) this.#socket.pause()
  }
}
