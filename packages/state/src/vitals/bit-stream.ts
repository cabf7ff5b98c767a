/**
 * Bits, most significant first, and whole numbers among them. A number is written in an exponential Golomb code: of
 * order `k`, numbers below 2^k take k + 1 bits, the next 2^(k+1) take k + 3, and so on.
 *
 *     number v of order k:  x = v + 2^k of n bits; n - 1 - k zeros, then x      (H.264, 9.1, for order 0)
 */
const NUMBER_BITS_MAX = 53

/** Bits that a whole number below 2^53 takes. */
export function bitLength(value: number): number {
  return value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 2 ** 32))
}

export class BitWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** The lowest `count` bits of `value`; at most 32. */
  bits(value: number, count: number): void {
    if (this.#length + count > 8 * this.#bytes.length) this.#grow()
    for (let left = count; left > 0;) {
      const room = 8 - (this.#length & 7)
      const taken = Math.min(room, left)
      const part = (value >>> (left - taken)) & ((1 << taken) - 1)
      const at = this.#length >>> 3
      this.#bytes[at] = (this.#bytes[at] ?? 0) | (part << (room - taken))
      this.#length += taken
      left -= taken
    }
  }

  /** `value + 2^order` is below 2^53. */
  number(value: number, order: number): void {
    const shifted = value + 2 ** order
    const count = bitLength(shifted)
    for (let zeros = count - 1 - order; zeros > 0; zeros -= 32) this.bits(0, Math.min(zeros, 32))
    if (count > 32) this.bits(Math.floor(shifted / 2 ** 32), count - 32)
    this.bits(shifted % 2 ** 32, Math.min(count, 32))
  }

  /** ASCII. */
  text(text: string): void {
    this.number(text.length, 3)
    for (let at = 0; at < text.length; at++) this.bits(text.charCodeAt(at), 7)
  }

  /** Padded with zeros to whole bytes. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, Math.ceil(this.#length / 8))
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length)
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** Never throws: after a read beyond the end, or of what is no number, it reads zeros and is `broken`. */
export class BitReader {
  readonly #bytes: Uint8Array
  #at = 0
  broken = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Everything has been read, but for padding. */
  get finished(): boolean {
    const left = 8 * this.#bytes.length - this.#at
    return !this.broken && left < 8 && this.bits(left) === 0
  }

  /** At most 32. */
  bits(count: number): number {
    if (this.#at + count > 8 * this.#bytes.length) this.broken = true
    if (this.broken) return 0
    let value = 0
    for (let left = count; left > 0;) {
      const room = 8 - (this.#at & 7)
      const taken = Math.min(room, left)
      const part = ((this.#bytes[this.#at >>> 3] ?? 0) >>> (room - taken)) & ((1 << taken) - 1)
      value = value * 2 ** taken + part
      this.#at += taken
      left -= taken
    }
    return value
  }

  number(order: number): number {
    let count = order + 1
    for (; this.bits(1) === 0; count++) {
      if (count >= NUMBER_BITS_MAX) this.broken = true
      if (this.broken) return 0
    }
    const rest = count - 1
    const high = rest > 32 ? this.bits(rest - 32) : 0
    const low = this.bits(Math.min(rest, 32))
    return this.broken ? 0 : 2 ** rest + high * 2 ** 32 + low - 2 ** order
  }

  text(lengthMax: number): string {
    const length = this.number(3)
    if (length > lengthMax) this.broken = true
    let text = ''
    for (let at = 0; at < length && !this.broken; at++) text += String.fromCharCode(this.bits(7))
    return text
  }
}
