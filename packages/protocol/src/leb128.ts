/**
 * Whole numbers in as few bytes as they need (unsigned LEB128; DWARF 5, 7.6): seven bits to a byte, the lowest first, the
 * high bit set in all but the last. Small packets are mostly lengths and counters, and those are mostly small.
 */

const NUMBER_BYTES_MAX = 8

/** How many bytes the number takes; it is whole, from 0, below 2⁵³. */
export function leb128Bytes(value: number): number {
  let bytes = 1
  for (; value >= 128; value = Math.floor(value / 128)) bytes++
  return bytes
}

/** Writes it at `at`; where it ends. */
export function writeLeb128(bytes: Uint8Array, at: number, value: number): number {
  for (; value >= 128; value = Math.floor(value / 128)) bytes[at++] = (value % 128) | 128
  bytes[at++] = value
  return at
}

/** Reads one number after the other. After one that is cut off or too large nothing that it gave is to be trusted. */
export class Leb128Reader {
  readonly #bytes: Uint8Array
  #at: number
  /** So far there was a number whenever one was asked for. */
  sound = true

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Where the next number begins. */
  get at(): number {
    return this.#at
  }

  next(): number {
    let value = 0
    for (let index = 0, unit = 1; index < NUMBER_BYTES_MAX; index++, unit *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 127) * unit
      if (byte < 128 && Number.isSafeInteger(value)) return value
    }
    this.sound = false
    return 0
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  /** Passes over bytes, as a view; what is short of them is not sound. */
  take(bytes: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + bytes)
    this.#at += bytes
    if (taken.length < bytes) this.sound = false
    return taken
  }
}
