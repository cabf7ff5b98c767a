/**
 * The sending side of one lane: a queue of messages over one libp2p stream. What a turn queues leaves in the
 * microtask after it, as writes of at most 256 KiB: one write means one encryption, one system call and, if it
 * is small, one packet.
 *
 *  1. Messages leave in the order in which they were sent.
 *  2. Nothing is written while the stream asks to drain; then the queue grows. `onProgress` is called whenever
 *     `unsentBytes` has changed.
 *  3. A write that fails is the end of the connection, which the stream's own `close` event reports.
 */
import type { Stream } from '@libp2p/interface'
import { LENGTH_BYTES, frameMessages } from './message-framing.ts'

/** js-libp2p moves 35 MB/s as 1 KiB writes and over 200 MB/s as 256 KiB writes. */
const WRITE_BYTES_MAX = 256 * 1024

export class LaneWriter {
  readonly #stream: Stream
  readonly #onProgress: () => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #flushing = false
  #closed = false

  constructor(stream: Stream, onProgress: () => void) {
    this.#stream = stream
    this.#onProgress = onProgress
    // libp2p resumes its own buffer in a microtask after `drain`; ours must come after that one.
    stream.addEventListener('drain', () => this.#flushSoon())
  }

  /** Bytes that have not been handed to the connection yet. */
  get unsentBytes(): number {
    return this.#queuedBytes + this.#stream.writeBufferLength
  }

  send(message: Uint8Array): void {
    if (this.#closed) return
    this.#queue.push(message)
    this.#queuedBytes += LENGTH_BYTES + message.length
    this.#flushSoon()
  }

  /** Writes what can be written now. */
  flush(): void {
    while (this.#queue.length > 0 && !this.#closed && !this.#stream.writableNeedsDrain) {
      const messages = this.#take()
      try {
        this.#stream.send(frameMessages(messages))
      } catch {
        this.close()
        return
      }
    }
    if (!this.#closed) this.#onProgress()
  }

  /** Drops the queue; later messages are ignored. */
  close(): void {
    this.#closed = true
    this.#queue = []
    this.#queuedBytes = 0
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.flush()
    })
  }

  #take(): Uint8Array[] {
    let bytes = 0
    let count = 0
    for (const message of this.#queue) {
      if (count > 0 && bytes + LENGTH_BYTES + message.length > WRITE_BYTES_MAX) break
      bytes += LENGTH_BYTES + message.length
      count++
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count)
  }
}
