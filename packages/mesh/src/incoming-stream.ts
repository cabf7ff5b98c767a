/**
 * The other end of `OutgoingStream`: gets the bytes of a stream in order, in whatever pieces, and gives back the
 * messages. A message that lies in one piece is a view of it.
 *
 *  1. After `overflowed` nothing more is given back: the peer began a message that is longer than any may be.
 */
import { joinBytes } from '@causeway/protocol'

const LENGTH_BYTES = 4

export class IncomingStream {
  readonly #messageBytesMax: number
  /** Bytes of the message that is under way; `undefined` while its length is. */
  #length: number | undefined
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
      const wanted = (this.#length ?? LENGTH_BYTES) - this.#gathered
      if (piece.length - at < wanted) break
      const whole = this.#complete(piece.subarray(at, at + wanted))
      at += wanted
      if (this.#length === undefined) this.#begin(whole)
      else {
        messages.push(whole)
        this.#length = undefined
      }
    }
    if (at === piece.length || this.overflowed) return
    this.#parts.push(piece.subarray(at))
    this.#gathered += piece.length - at
  }

  #begin(length: Uint8Array): void {
    this.#length = new DataView(length.buffer, length.byteOffset).getUint32(0)
    if (this.#length > this.#messageBytesMax) this.overflowed = true
  }

  #complete(last: Uint8Array): Uint8Array {
    if (this.#gathered === 0) return last
    const whole = joinBytes(...this.#parts, last)
    this.#parts = []
    this.#gathered = 0
    return whole
  }
}
