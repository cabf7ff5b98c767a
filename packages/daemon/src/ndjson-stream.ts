/**
 * A response of one JSON document per line that goes on for a while: watches, events, pings.
 *
 *  1. A line leaves as soon as the reader takes it; lines that wait are sent together.
 *  2. At most `LINES_MAX` live lines wait. A reader that is slower gets what there is, an error line, and the end.
 *  3. `onClose` is called once, whoever ends it.
 */
import { CausewayError } from '@causeway/protocol'
import { problemOf } from './problem.ts'

const LINES_MAX = 10_000
const WRITE_CHARACTERS_MAX = 64 * 1024

export class NdjsonStream {
  readonly #encoder = new TextEncoder()
  readonly #onClose: () => void
  #lines: string[] = []
  /** Lines of an initial state, however many, are not held against the reader. */
  #allowance = 0
  #ended = false
  #closed = false
  #wanted: (() => void) | undefined

  constructor(onClose: () => void) {
    this.#onClose = onClose
  }

  /** One live line. */
  write(value: unknown): void {
    if (this.#ended) return
    this.#lines.push(JSON.stringify(value))
    if (this.#lines.length > LINES_MAX + this.#allowance) {
      this.end(
        new CausewayError('timeout', 'the reader is too slow: changes were dropped', 'read faster, or list again and watch from there'),
      )
      return
    }
    this.#wake()
  }

  /** Lines of an initial state. */
  writeAll(values: readonly unknown[]): void {
    this.#allowance += values.length
    for (const value of values) this.write(value)
  }

  /** Ends the stream, after a last line that tells of a fault if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return
    if (error !== undefined) this.#lines.push(JSON.stringify({ error: problemOf(error) }))
    this.#ended = true
    this.#close()
    this.#wake()
  }

  response(): Response {
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (this.#lines.length === 0 && !this.#ended) await this.#more()
          const text = this.#take()
          if (text !== '') controller.enqueue(this.#encoder.encode(text))
          if (this.#ended && this.#lines.length === 0) controller.close()
        },
        cancel: () => {
          this.#ended = true
          this.#lines = []
          this.#close()
          this.#wake()
        },
      },
      { highWaterMark: 0 },
    )
    return new Response(body, {
      headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    })
  }

  #take(): string {
    let text = ''
    let count = 0
    for (const line of this.#lines) {
      if (count > 0 && text.length + line.length > WRITE_CHARACTERS_MAX) break
      text += `${line}\n`
      count++
    }
    this.#lines.splice(0, count)
    this.#allowance = Math.max(0, this.#allowance - count)
    return text
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = resolve
    })
  }

  #wake(): void {
    this.#wanted?.()
    this.#wanted = undefined
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose()
  }
}
