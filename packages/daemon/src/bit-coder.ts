/**
 * Binary arithmetic coding: a decision costs as many bits as its outcome was unlikely, fractions of a bit included, as long as
 * both ends hold the same opinion of it. The range between `low` and `high` is divided in that proportion, and what the two
 * have in common leaves byte by byte (Witten, Neal, Cleary, 1987; without carry).
 *
 *  1. Reading with the same probabilities gives back what was written.
 *  2. Nothing that is written begins with 0xFF: that byte is free to mean something else.
 *  3. What lies beyond the end reads as zeros, and zeros at the end are not written; but one byte is.
 */
const NOTHING = new Uint8Array(0)
const HIGH = 0xfe_ff_ff_ff

export class BitCoder {
  #low = 0
  #high = HIGH
  /** What is read, as far as it has been taken in. */
  #code = 0
  #input: Uint8Array = NOTHING
  #output: Uint8Array = NOTHING
  #at = 0
  #reading = false

  /** Everything that follows is written, to at most `bytesMax` bytes. */
  write(bytesMax: number): void {
    this.#begin(false)
    if (this.#output.length < bytesMax) this.#output = new Uint8Array(bytesMax)
  }

  /** Everything that follows is read from there. */
  read(input: Uint8Array): void {
    this.#begin(true)
    this.#input = input
    this.#code = 0
    for (let n = 0; n < 4; n++) this.#code = ((this.#code << 8) | (input[this.#at++] ?? 0)) >>> 0
    // What nobody wrote is taken for the last that somebody could have.
    this.#code = Math.min(this.#code, HIGH)
  }

  #begin(reading: boolean): void {
    this.#reading = reading
    this.#low = 0
    this.#high = HIGH
    this.#at = 0
  }

  /** The decision: `bit` where it is written, else what was. `chance` of a 1, of 65,536; neither 0 nor that. */
  bit(chance: number, bit: number): number {
    const low = this.#low
    const range = this.#high - low
    const middle = low + Math.floor(range / 65_536) * chance + (((range & 65_535) * chance) >>> 16)
    const decided = this.#reading ? Number(this.#code <= middle) : bit
    if (decided === 1) this.#high = middle
    else this.#low = middle + 1
    while (((this.#low ^ this.#high) & 0xff_00_00_00) === 0) this.#shift()
    return decided
  }

  /** A byte about which nobody has an opinion. */
  byte(byte: number): number {
    const share = Math.floor((this.#high - this.#low) / 256)
    // The range may be too narrow to be cut into so many; it is not twice.
    if (share === 0) return (this.#nibble(byte >> 4) << 4) | this.#nibble(byte & 15)
    const decided = this.#reading ? Math.min(255, Math.floor((this.#code - this.#low) / share)) : byte
    const low = this.#low + decided * share
    if (decided < 255) this.#high = low + share - 1
    this.#low = low
    while (((this.#low ^ this.#high) & 0xff_00_00_00) === 0) this.#shift()
    return decided
  }

  #nibble(value: number): number {
    let decided = 0
    for (let n = 3; n >= 0; n--) decided = 2 * decided + this.bit(32_768, (value >> n) & 1)
    return decided
  }

  #shift(): void {
    if (this.#reading) this.#code = ((this.#code << 8) | (this.#input[this.#at++] ?? 0)) >>> 0
    else this.#output[this.#at++] = this.#low >>> 24
    this.#low = (this.#low << 8) >>> 0
    this.#high = ((this.#high << 8) | 255) >>> 0
  }

  /** What was written, in as few bytes as tell it from everything else. */
  finish(): Uint8Array {
    // The number in the range that ends with the most zeros.
    for (let bits = 32; bits >= 0; bits -= 8) {
      const unit = 2 ** bits
      const value = Math.ceil(this.#low / unit) * unit
      if (value > this.#high) continue
      for (let n = 24; n >= bits; n -= 8) this.#output[this.#at++] = (value / 2 ** n) & 255
      break
    }
    let end = this.#at
    while (end > 1 && this.#output[end - 1] === 0) end--
    if (end === 0) this.#output[end++] = 0
    return this.#output.slice(0, end)
  }
}
