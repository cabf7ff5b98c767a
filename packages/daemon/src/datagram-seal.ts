/**
 * A sealed datagram: 24 bytes more than the message in it. Only half of the counter travels; the receiver completes
 * it from the newest it has authenticated, as QUIC does with packet numbers.
 *
 * Layout, big-endian:
 *
 *     0    u32   index of the association at the receiver, chosen by the receiver
 *     4    u32   counter of the sender, from 0: its low half
 *     8    n     ChaCha20-Poly1305 (RFC 8439) of the message; nonce = u32 0 ‖ u64 counter, header as associated data
 *     8+n  16    tag
 */
import { ChaCha20Poly1305, newInstance } from '@chainsafe/as-chacha20poly1305'

const HEADER_BYTES = 8
const TAG_BYTES = 16
export const SEAL_BYTES: number = HEADER_BYTES + TAG_BYTES

const HALF = 2 ** 32

/**
 * For a packet as small as a probe node:crypto spends most of its time on objects of its own: it takes 6 µs where
 * WebAssembly takes 1.5. At 1,200 bytes it would be the faster one, by a third. The library compares tags byte by byte, not
 * in constant time: nobody can measure that, since what does not open is never answered.
 */
const cipher = new ChaCha20Poly1305(newInstance())
/** Both directions use it in turn: the cipher takes a copy. */
const nonce = Buffer.alloc(12)

/** `key` has 32 bytes. */
export function seal(key: Uint8Array, index: number, counter: number, message: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(SEAL_BYTES + message.length)
  packet.writeUInt32BE(index, 0)
  packet.writeUInt32BE(counter % HALF, 4)
  cipher.seal(key, nonceOf(counter), message, packet.subarray(0, HEADER_BYTES), packet.subarray(HEADER_BYTES))
  return packet
}

/** The message, or `undefined` if the holder of the key did not seal it with this counter. */
export function open(key: Uint8Array, counter: number, packet: Buffer): Uint8Array | undefined {
  return cipher.open(key, nonceOf(counter), packet.subarray(HEADER_BYTES), packet.subarray(0, HEADER_BYTES)) ?? undefined
}

export function indexOf(packet: Buffer): number {
  return packet.readUInt32BE(0)
}

/**
 * The whole counter of a packet: of all numbers with its low half the one nearest to that which follows `newest` (-1:
 * none yet). RFC 9000, appendix A.3.
 */
export function counterOf(packet: Buffer, newest: number): number {
  const expected = newest + 1
  const counter = expected - (expected % HALF) + packet.readUInt32BE(4)
  if (counter + HALF / 2 <= expected) return counter + HALF
  if (counter > expected + HALF / 2 && counter >= HALF) return counter - HALF
  return counter
}

function nonceOf(counter: number): Buffer {
  nonce.writeUInt32BE(Math.floor(counter / HALF), 4)
  nonce.writeUInt32BE(counter % HALF, 8)
  return nonce
}
