/**
 * How one number of one node is told again and again: as the change since the last time, in a code that follows how
 * large the changes have been. Both ends of a session hold the same model and learn from the same numbers.
 *
 *     change          zigzag z of (value - last): 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …
 *     seldom changes  1 bit "has changed"; then z - 1
 *     mostly changes  z
 *
 * z is an exponential Golomb number whose order follows the running mean of z where it was not 0 (Gallager and van
 * Voorhis 1975: for a geometric distribution 2^k should be near 0.7 times the mean).
 */
import { type BitReader, type BitWriter, bitLength } from './bit-stream.ts'

/** Whole numbers of this size at most: their differences, in zigzag, stay below 2^53. */
export const QUANTA_MAX: number = 2 ** 50
/** The mean is kept in sixteenths, and moves by a sixteenth of the difference. */
const MEAN_UNIT = 16
const MEAN_WEIGHT = 16
const MEAN_MAX = 2 ** 40
/** Shares are in 256ths: a field that rests more often than that is told by a bit that it has changed. */
const REST_UNIT = 256
const REST_WEIGHT = 16
const REST_MIN = 80

export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

export function unzigzag(code: number): number {
  return code % 2 === 0 ? code / 2 : -(code + 1) / 2
}

export class FieldModel {
  #value: number
  #mean = 8 * MEAN_UNIT
  #rest = REST_UNIT / 2

  constructor(value: number) {
    this.#value = value
  }

  get value(): number {
    return this.#value
  }

  write(out: BitWriter, value: number): void {
    const code = zigzag(value - this.#value)
    const seldom = this.#rest >= REST_MIN
    if (seldom) out.bits(code === 0 ? 0 : 1, 1)
    if (!seldom || code > 0) out.number(seldom ? code - 1 : code, this.#order)
    this.#learn(value, code)
  }

  /** The new value; nothing is learnt from what cannot be. */
  read(from: BitReader): number {
    const seldom = this.#rest >= REST_MIN
    let code = 0
    if (!seldom) code = from.number(this.#order)
    else if (from.bits(1) === 1) code = from.number(this.#order) + 1
    const value = this.#value + unzigzag(code)
    if (Math.abs(value) > QUANTA_MAX) from.broken = true
    if (!from.broken) this.#learn(value, code)
    return this.#value
  }

  get #order(): number {
    return Math.max(0, bitLength(Math.floor((this.#mean * 11) / (MEAN_UNIT * 16))) - 1)
  }

  #learn(value: number, code: number): void {
    this.#value = value
    this.#rest += Math.trunc(((code === 0 ? REST_UNIT : 0) - this.#rest) / REST_WEIGHT)
    if (code === 0) return
    this.#mean += Math.trunc((MEAN_UNIT * Math.min(code, MEAN_MAX) - this.#mean) / MEAN_WEIGHT)
  }
}
