/**
 * One TCP socket of the `stream` lane, from its first byte to its end. Both ends have told each other a key and a token
 * over the control lane; the dialler says the token of the other end, so that this knows which connection it belongs to,
 * and each proves by a first record that it holds the key.
 *
 *     dialler → acceptor    token of the acceptor (16) ‖ nonce (16), then records (`stream-record.ts`)
 *     acceptor → dialler    nonce (16), then records
 *
 *  1. A direction is sealed with HMAC-SHA-256(key of its receiver, nonce of the dialler ‖ nonce of the acceptor): new for every
 *     socket of a connection, so that the numbers of records may begin at 0 and nothing of an older socket can be replayed.
 *  2. The first record each way is empty. Nothing else is sent before that of the peer has been checked, nor taken.
 *  3. What a turn sends leaves as one write, in records of at most 256 KiB. While the kernel takes no more, the rest waits
 *     here and not in the socket: it can still go another way (`takeUnsent`).
 *  4. It ends once, by `onEnd`, for whatever reason; after that it does nothing.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type Crypto, SHORT_TAG_BYTES, type StreamKey } from '@causeway/protocol'
import { type BulkSocket, dialBulk } from './bulk-socket.ts'
import type { HostPort } from './host-port.ts'
import { RECORD_BYTES_MAX, RecordReader, RecordSealer, recordedBytes } from './stream-record.ts'

export const TOKEN_BYTES = 16
export const NONCE_BYTES = 16
/** From the dial, or from the token, to the proof: the peer's machine has to admit us meanwhile. */
const OPEN_MS_MAX = 10_000
/** No byte has left though some wait: the way is dead, or the peer reads no more, which nobody may do. */
const STALLED_MS_MAX = 15_000
export type StreamCrypto = Pick<Crypto, 'aead' | 'mac'>

export interface StreamSocketOptions {
  readonly crypto: StreamCrypto
  readonly local: StreamKey
  readonly remote: StreamKey
  readonly messageBytesMax: number
  /** The peer has proven that it holds the key. */
  readonly onProven: () => void
  readonly onMessages: (messages: Uint8Array[]) => void
  /** Less waits to be sent than before. */
  readonly onProgress: () => void
  readonly onEnd: (end: StreamEnd) => void
}

/** `gone`: closed, reset, refused or silent. */
export interface StreamEnd {
  readonly cause: 'gone' | 'forged' | 'malformed'
  readonly detail: string
}

export class StreamSocket {
  readonly #options: StreamSocketOptions
  readonly #socket: Socket
  readonly #nonce = randomBytes(NONCE_BYTES)
  readonly #timer: NodeJS.Timeout
  /** The acceptor's nonce, as far as it has come, on the side that dialled. */
  #greeting: Buffer = Buffer.alloc(0)
  #reader: RecordReader | undefined
  #sealer: RecordSealer | undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #flushing = false
  #proven = false
  #ended = false

  private constructor(bulk: BulkSocket, options: StreamSocketOptions) {
    this.#options = options
    this.#socket = bulk.socket
    bulk.onChunk = (chunk) => this.#read(chunk)
    this.#socket.on('error', (error) => this.#end('gone', error.message))
    this.#socket.on('close', () => this.#end('gone', 'the peer closed it'))
    this.#socket.on('end', () => this.#end('gone', 'the peer closed it'))
    this.#socket.setTimeout(STALLED_MS_MAX, () => {
      if (this.unsentBytes > 0) this.#end('gone', `it took nothing for ${STALLED_MS_MAX / 1000} s`)
    })
    this.#timer = setTimeout(() => this.#end('gone', `no answer within ${OPEN_MS_MAX / 1000} s`), OPEN_MS_MAX)
    this.#timer.unref()
  }

  static dial(address: HostPort, options: StreamSocketOptions, from?: string): StreamSocket {
    const dialled = new StreamSocket(dialBulk(address, from), options)
    dialled.#socket.write(Buffer.concat([options.remote.token, dialled.#nonce]))
    return dialled
  }

  /** The peer has said our token and `diallerNonce`, which have been read. */
  static accept(bulk: BulkSocket, diallerNonce: Uint8Array, options: StreamSocketOptions): StreamSocket {
    const accepted = new StreamSocket(bulk, options)
    bulk.socket.write(accepted.#nonce)
    accepted.#prove(diallerNonce, accepted.#nonce)
    return accepted
  }

  /** What has not been handed to the kernel yet. */
  get unsentBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength
  }

  /** After `onProven`. */
  send(message: Uint8Array): void {
    if (this.#ended) return
    this.#queue.push(message)
    this.#queuedBytes += recordedBytes(message)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /** Sends one message at once, as a record of its own. */
  announce(message: Uint8Array): void {
    this.#write([message])
  }

  /** Messages that were sent and of which no byte has left. */
  takeUnsent(): Uint8Array[] {
    const unsent = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    return unsent
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#ended) this.#socket.resume()
  }

  /** Resets it, without a call of `onEnd`. */
  destroy(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    if (this.#socket.connecting) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  #prove(diallerNonce: Uint8Array, acceptorNonce: Uint8Array): void {
    const { crypto, local, remote, messageBytesMax } = this.#options
    const nonces = Buffer.concat([diallerNonce, acceptorNonce])
    this.#reader = new RecordReader(crypto.aead(crypto.mac(local.key, nonces), SHORT_TAG_BYTES), messageBytesMax)
    this.#sealer = new RecordSealer(crypto.aead(crypto.mac(remote.key, nonces), SHORT_TAG_BYTES))
    this.#write([])
  }

  #read(chunk: Uint8Array): void {
    if (this.#ended) return
    const rest = this.#reader ? chunk : this.#greet(chunk)
    const messages = this.#reader?.push(rest) ?? []
    if (typeof messages === 'string') {
      this.#end(messages, messages === 'forged' ? 'a record was not sealed by the peer' : 'the peer sent a record that breaks the rules')
      return
    }
    if (!this.#proven && (this.#reader?.records ?? 0) > 0) {
      this.#proven = true
      clearTimeout(this.#timer)
      this.#options.onProven()
    }
    if (messages.length > 0 && !this.#isOver()) this.#options.onMessages(messages)
  }

  /** The side that dialled: takes the nonce, and returns what follows it. */
  #greet(chunk: Uint8Array): Uint8Array {
    const bytes = NONCE_BYTES - this.#greeting.length
    this.#greeting = Buffer.concat([this.#greeting, chunk.subarray(0, bytes)])
    if (this.#greeting.length === NONCE_BYTES) this.#prove(this.#nonce, this.#greeting)
    return chunk.subarray(bytes)
  }

  /** A method, because what we call may end it. */
  #isOver(): boolean {
    return this.#ended
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#socket.writableLength === 0 && !this.#ended) this.#write(this.#take())
    if (!this.#ended) this.#options.onProgress()
  }

  #take(): Uint8Array[] {
    let bytes = 0
    let count = 0
    for (const message of this.#queue) {
      if (count > 0 && bytes + recordedBytes(message) > RECORD_BYTES_MAX) break
      bytes += recordedBytes(message)
      count++
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count)
  }

  #write(messages: readonly Uint8Array[]): void {
    const buffers = this.#sealer?.seal(messages) ?? []
    const last = buffers.pop()
    this.#socket.cork()
    for (const buffer of buffers) this.#socket.write(buffer)
    this.#socket.write(last ?? '', (error) => {
      if (!error) this.#flush()
    })
    this.#socket.uncork()
  }

  #end(cause: StreamEnd['cause'], detail: string): void {
    if (this.#ended) return
    this.destroy()
    this.#options.onEnd({ cause, detail })
  }
}
