/**
 * Messages on a byte stream: each is preceded by its length, a u32, big-endian.
 *
 *     0   u32   n, at most the bound of the lane
 *     4   n × u8  the message
 *
 * Outgoing messages are gathered into one buffer per write; incoming ones are views of the chunk they came in,
 * so that only a message which straddles two chunks is ever copied.
 */
import { joinBytes, readU32, writeU32 } from '@causeway/protocol'

export const LENGTH_BYTES = 4

/** One buffer that holds the messages with their lengths. */
export function frameMessages(messages: readonly Uint8Array[]): Uint8Array {
  let total = 0
  for (const message of messages) total += LENGTH_BYTES + message.length
  const out = new Uint8Array(total)
  let at = 0
  for (const message of messages) {
    writeU32(out, at, message.length)
    out.set(message, at + LENGTH_BYTES)
    at += LENGTH_BYTES + message.length
  }
  return out
}

/** Cuts a stream of chunks back into messages. */
export class MessageReader {
  readonly #bytesMax: number
  #rest: Uint8Array = new Uint8Array(0)

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The messages that `chunk` completes, or `undefined` if the peer announced one that is too long. */
  push(chunk: Uint8Array): Uint8Array[] | undefined {
    const bytes = this.#rest.length === 0 ? chunk : joinBytes(this.#rest, chunk)
    const messages: Uint8Array[] = []
    let at = 0
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = readU32(bytes, at)
      if (length > this.#bytesMax) return undefined
      const end = at + LENGTH_BYTES + length
      if (end > bytes.length) break
      messages.push(bytes.subarray(at + LENGTH_BYTES, end))
      at = end
    }
    // A copy, so that a few bytes left over do not keep a large chunk alive.
    this.#rest = bytes.slice(at)
    return messages
  }
}
