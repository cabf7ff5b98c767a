/**
 * A response of one JSON document per line that goes on for a while: watches, events, pings.
 *
 *  1. A line leaves as soon as the reader takes it; lines that wait are sent together.
 *  2. What is told first is made into lines only as the reader takes them, however much it is.
 *  3. At most `LINES_MAX` live lines of `CHARACTERS_MAX` wait. A reader that is slower gets what there is, an error line, and
 *     the end.
 *  4. `onClose` is called once, whoever ends it.
 */
import { CausewayError } from '@causeway/protocol'
import { problemOf } from './problem.ts'

const LINES_MAX = 10_000
const CHARACTERS_MAX = 16 * 1024 * 1024
const WRITE_CHARACTERS_MAX = 64 * 1024

export class NdjsonStream {
  readonly #encoder = new TextEncoder()
  readonly #onClose: () => void
  #first: Iterator<unknown> | undefined
  #lines: string[] = []
  #characters = 0
  #ended = false
  #closed = false
  #wanted: (() => void) | undefined

  constructor(onClose: () => void) {
    this.#onClose = onClose
  }

  /** One live line. */
  write(value: unknown): void {
    if (this.#ended) return
    const line = JSON.stringify(value)
    this.#lines.push(line)
    this.#characters += line.length
    if (this.#lines.length > LINES_MAX || this.#characters > CHARACTERS_MAX) {
      const remedy = 'read faster; a watch goes on with since= and the token of its last bookmark'
      this.end(new CausewayError('timeout', 'the reader is too slow: changes were dropped', remedy))
      return
    }
    this.#wake()
  }

  /** What is told before all live lines. Called once, before the response is read. */
  begin(values: Iterable<unknown>): void {
    this.#first = values[Symbol.iterator]()
    this.#wake()
  }

  /** Ends the stream, after a last line that tells of a fault if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return
    if (error !== undefined) this.#lines.push(JSON.stringify({ error: problemOf(error) }))
    this.#ended = true
    this.#close()
    this.#wake()
  }

  response(headers: Readonly<Record<string, string>> = {}): Response {
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (this.#isEmpty && !this.#ended) await this.#more()
          const text = this.#take()
          if (text !== '') controller.enqueue(this.#encoder.encode(text))
          if (this.#ended && this.#isEmpty) controller.close()
        },
        cancel: () => {
          this.#ended = true
          this.#first = undefined
          this.#lines = []
          this.#close()
          this.#wake()
        },
      },
      { highWaterMark: 0 },
    )
    return new Response(body, {
      headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...headers },
    })
  }

  get #isEmpty(): boolean {
    return this.#first === undefined && this.#lines.length === 0
  }

  #take(): string {
    let text = ''
    while (this.#first && text.length < WRITE_CHARACTERS_MAX) {
      const { value, done } = this.#first.next()
      if (done) this.#first = undefined
      else text += `${JSON.stringify(value)}\n`
    }
    let count = 0
    for (const line of this.#first ? [] : this.#lines) {
      if (text !== '' && text.length + line.length > WRITE_CHARACTERS_MAX) break
      text += `${line}\n`
      this.#characters -= line.length
      count++
    }
    this.#lines.splice(0, count)
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
