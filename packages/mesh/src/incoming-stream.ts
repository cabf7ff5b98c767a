/**
 * The other end of `OutgoingStream`: gets the bytes of a stream in order, in whatever pieces, and gives back the
 * messages. A message that lies in one piece is a view of it.
 *
 *  1. After `overflowed` nothing more is given back: the peer began a message that is longer than any may be.
 */
import { joinBytes } from '@causeway/protocol'

/** A length takes no more: messages are shorter than 256 MiB. */
const LENGTH_BYTES_MAX = 4

export class IncomingStream {
  readonly #messageBytesMax: number
  /** Bytes of the message that is under way; `undefined` while its length is. */
  #length: number | undefined
  /** What has come of the length: its value, and in how many bytes. */
  #lengthSoFar = 0
  #lengthBytes = 0
  #parts: Uint8Array[] = []
  #gathered = 0
  overflowed = false

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax
  }

  /** Adds the messages that `piece` completes to `messages`. */
  push(piece: Uint8Array, messages: Uint8Array[]): void {
    let at = 0
    while (!this.overflowed) {
      if (this.#length === undefined) {
        const byte = piece[at]
        if (byte === undefined) return
        at++
        this.#readLength(byte)
        continue
      }
      const wanted = this.#length - this.#gathered
      if (piece.length - at < wanted) break
      messages.push(this.#complete(piece.subarray(at, at + wanted)))
      this.#length = undefined
      at += wanted
    }
    if (at === piece.length || this.overflowed) return
    this.#parts.push(piece.subarray(at))
    this.#gathered += piece.length - at
  }

  /** LEB128, byte by byte, since it may come in pieces. */
  #readLength(byte: number): void {
    this.#lengthSoFar += (byte & 127) * 128 ** this.#lengthBytes++
    const more = byte >= 128
    if (this.#lengthSoFar > this.#messageBytesMax || (more && this.#lengthBytes === LENGTH_BYTES_MAX)) this.overflowed = true
    if (more) return
    this.#length = this.#lengthSoFar
    this.#lengthSoFar = 0
    this.#lengthBytes = 0
  }

  #complete(last: Uint8Array): Uint8Array {
    if (this.#gathered === 0) return last
    const whole = joinBytes(...this.#parts, last)
    this.#parts = []
    this.#gathered = 0
    return whole
  }
}
