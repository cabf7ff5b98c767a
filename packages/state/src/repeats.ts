/**
 * Takes out of bytes what they repeat. Batches of one log say the same over and over, but for a number, a time and a signature: side
 * by side they need less than half of their room, and are there again some microseconds after they are asked for. No more than that
 * is wanted here, for what is kept in memory; what travels is packed better, by those who send it.
 *
 * An LZ77: literals, then how much of what came before follows, and from how far back.
 *
 *     { literals: varint, bytes, repeated: varint, back: varint } …    the last with `repeated` 0 and without `back`
 *
 * A varint has seven bits a byte, the lowest first; all but its last byte have the highest bit set.
 */
import { invariant } from '@causeway/protocol'

/** Shorter ones cost as much as they save. */
const REPEATED_MIN = 4
const HASH_BITS = 12
/** Where four bytes with that hash were last seen, plus one. */
const seen = new Uint16Array(2 ** HASH_BITS)
/** Places fit into `seen`. */
export const PACKED_BYTES_MAX: number = 2 ** 16 - 2

export function pack(bytes: Uint8Array): Uint8Array {
  invariant(bytes.length <= PACKED_BYTES_MAX, 'only short pieces are packed')
  seen.fill(0)
  // Runs of literals are at least as long as what is said about them, but for the first.
  const packed = new Uint8Array(bytes.length + Math.ceil(bytes.length / REPEATED_MIN) + 8)
  let to = 0
  let literals = 0
  const put = (number: number): void => {
    let rest = number
    for (; rest > 0x7f; rest >>>= 7) packed[to++] = (rest & 0x7f) | 0x80
    packed[to++] = rest
  }
  const putLiterals = (end: number): void => {
    put(end - literals)
    packed.set(bytes.subarray(literals, end), to)
    to += end - literals
  }
  for (let at = 0; at + REPEATED_MIN <= bytes.length;) {
    const hash = hashAt(bytes, at)
    const before = (seen[hash] ?? 0) - 1
    seen[hash] = at + 1
    const length = before < 0 ? 0 : repeatedAt(bytes, before, at)
    if (length < REPEATED_MIN) {
      at++
      continue
    }
    putLiterals(at)
    put(length)
    put(at - before)
    at += length
    literals = at
  }
  putLiterals(bytes.length)
  put(0)
  return packed.slice(0, to)
}

/** `length`: of what was packed. */
export function unpack(packed: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let from = 0
  let to = 0
  const take = (): number => {
    for (let number = 0, shift = 0; ; shift += 7) {
      const byte = packed[from++] ?? 0
      number |= (byte & 0x7f) << shift
      if (byte < 0x80) return number
    }
  }
  for (;;) {
    const literals = take()
    bytes.set(packed.subarray(from, from + literals), to)
    from += literals
    to += literals
    const repeated = take()
    if (repeated === 0) break
    // Byte by byte: what is repeated may reach into itself.
    for (let before = to - take(), end = to + repeated; to < end;) bytes[to++] = bytes[before++] ?? 0
  }
  invariant(to === length, 'what was packed is there again')
  return bytes
}

function repeatedAt(bytes: Uint8Array, before: number, at: number): number {
  let length = 0
  while (at + length < bytes.length && bytes[before + length] === bytes[at + length]) length++
  return length
}

function hashAt(bytes: Uint8Array, at: number): number {
  const four = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
  return Math.imul(four, 0x9e3779b1) >>> (32 - HASH_BITS)
}
