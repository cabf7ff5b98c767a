/**
 * What the datagram thread tells the main thread: the authentic messages of one turn, in one flat buffer that is
 * handed over and not copied. An object per packet would cost more than opening its seal.
 *
 * A buffer is a row of reports, little-endian:
 *
 *     0    f64   connection
 *     8    f64   when it arrived: milliseconds of the main thread's clock
 *     16   u16   n, the length of the message
 *     18   n     message
 */
import type { ConnectionId, Instant } from '@causeway/protocol'

const HEAD_BYTES = 18
/** Room for some hundred probes. */
const FIRST_BYTES = 8 * 1024
const LITTLE = true

export interface Report {
  readonly connection: ConnectionId
  readonly at: Instant
  /** A view of the buffer. */
  readonly message: Uint8Array
}

/** The bytes that a message takes in a buffer. */
export function reportBytes(message: Uint8Array): number {
  return HEAD_BYTES + message.length
}

export class ReportWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  add(connection: ConnectionId, at: Instant, message: Uint8Array): void {
    const start = this.#length
    this.#length += reportBytes(message)
    this.#makeRoom()
    this.#view.setFloat64(start, connection, LITTLE)
    this.#view.setFloat64(start + 8, at, LITTLE)
    this.#view.setUint16(start + 16, message.length, LITTLE)
    this.#bytes.set(message, start + HEAD_BYTES)
  }

  /** What has been added since the last time, for the reader alone; `undefined` if there is nothing. */
  take(): ArrayBuffer | undefined {
    if (this.#length === 0) return undefined
    const taken = this.#bytes.buffer.slice(0, this.#length)
    this.#length = 0
    return taken
  }

  #makeRoom(): void {
    if (this.#length <= this.#bytes.length) return
    const larger = new Uint8Array(2 * this.#length)
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

/** The reports of a buffer that a `ReportWriter` has filled. */
export function* readReports(buffer: ArrayBuffer): Generator<Report> {
  const view = new DataView(buffer)
  let at = 0
  while (at < buffer.byteLength) {
    const length = view.getUint16(at + 16, LITTLE)
    yield {
      connection: view.getFloat64(at, LITTLE),
      at: view.getFloat64(at + 8, LITTLE) as Instant,
      message: new Uint8Array(buffer, at + HEAD_BYTES, length),
    }
    at += HEAD_BYTES + length
  }
}
