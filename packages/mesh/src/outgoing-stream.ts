/**
 * What a channel has yet to send: messages as one stream of bytes, each behind its length. Small messages are packed
 * together as they come, so that a segment costs the same whether it holds one of them or a hundred; large ones stay
 * where they are and are only pointed at.
 *
 *     LEB128   length of the message
 *     …        the message
 */
import { leb128Bytes, writeLeb128 } from '@causeway/protocol'

/** Messages up to this size are copied into the pack; a copy of more costs more than one more view. */
const PACKED_BYTES_MAX = 1024
const PACK_BYTES = 16 * 1024

export class OutgoingStream {
  #chunks: Uint8Array[] = []
  /** The first chunk that has not been taken entirely, and how much of it has. */
  #first = 0
  #taken = 0
  #bytes = 0
  #pack = new Uint8Array(0)
  #packed = 0
  /** Where in `pack` the last chunk of the list ends, if that chunk is in it. */
  #open = false

  get bytes(): number {
    return this.#bytes
  }

  write(message: Uint8Array): void {
    const packed = message.length <= PACKED_BYTES_MAX
    const lengthBytes = leb128Bytes(message.length)
    const needed = lengthBytes + (packed ? message.length : 0)
    if (this.#packed + needed > this.#pack.length) {
      this.#pack = new Uint8Array(PACK_BYTES)
      this.#packed = 0
      this.#open = false
    }
    const from = this.#packed
    writeLeb128(this.#pack, from, message.length)
    if (packed) this.#pack.set(message, from + lengthBytes)
    this.#packed += needed
    this.#append(from)
    if (!packed) {
      this.#chunks.push(message)
      this.#open = false
    }
    this.#bytes += lengthBytes + message.length
  }

  /** Takes the next bytes off, at most so many, as views. */
  take(bytesMax: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    let left = Math.min(bytesMax, this.#bytes)
    this.#bytes -= left
    while (left > 0) {
      const chunk = this.#chunks[this.#first] as Uint8Array
      const part = chunk.subarray(this.#taken, this.#taken + left)
      parts.push(part)
      left -= part.length
      this.#taken += part.length
      if (this.#taken < chunk.length) break
      this.#first++
      this.#taken = 0
    }
    this.#forgetTaken()
    return parts
  }

  /** What is in the pack from `from` on belongs to the stream: the last chunk grows, or a new one begins. */
  #append(from: number): void {
    const last = this.#chunks.length - 1
    const open = this.#open && last >= this.#first ? this.#chunks[last] : undefined
    const begin = open ? from - open.length : from
    const chunk = this.#pack.subarray(begin, this.#packed)
    if (open) this.#chunks[last] = chunk
    else this.#chunks.push(chunk)
    this.#open = true
  }

  #forgetTaken(): void {
    if (this.#first === this.#chunks.length) {
      this.#chunks = []
      this.#first = 0
      this.#open = false
    } else if (this.#first > 64) {
      this.#chunks = this.#chunks.slice(this.#first)
      this.#first = 0
    }
  }
}
