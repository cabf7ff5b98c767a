/**
 * Messages out of a stream of bytes, each behind its length (`u32`, big endian). A message that lies in one chunk is a view
 * of it; only what is spread over several is copied, once.
 */
export const HEAD_BYTES = 4

export class StreamReader {
  /** What has come of the head or the message that is not complete yet. */
  #parts: Buffer[] = []
  #partBytes = 0
  #needed = HEAD_BYTES
  #inHead = true

  /** The messages that are complete with this chunk. */
  read(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = []
    let at = 0
    while (chunk.length - at + this.#partBytes >= this.#needed) {
      const end = at + this.#needed - this.#partBytes
      const whole = this.#joined(chunk.subarray(at, end))
      at = end
      if (!this.#inHead) messages.push(whole)
      this.#needed = this.#inHead ? whole.readUInt32BE() : HEAD_BYTES
      this.#inHead = !this.#inHead
    }
    if (at < chunk.length) {
      this.#parts.push(chunk.subarray(at))
      this.#partBytes += chunk.length - at
    }
    return messages
  }

  #joined(last: Buffer): Buffer {
    if (this.#partBytes === 0) return last
    const whole = Buffer.concat([...this.#parts, last], this.#needed)
    this.#parts = []
    this.#partBytes = 0
    return whole
  }
}

export function headOf(message: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head.writeUInt32BE(message.length)
  return head
}
