/**
 * What the body of a frame looks like: sealed, or part of the handshake that makes the keys. The first four bytes tell:
 * they are the index by which the receiver knows the association, and no association has the index 0.
 *
 * Layout, big-endian. Sealed:
 *
 *     0   u32   the receiver's index of the association, not 0
 *     4   u48   counter, the nonce: never used twice with a key
 *     10  …     sealed bytes; none, if it only confirms that message 3 has arrived
 *         16    tag; bytes 0 to 9 are the associated data
 *
 * Handshake:
 *
 *     0   u32   0
 *     4   u8    kind: 1, 2, 3 the messages of the handshake, 4 "I do not know this association"
 *     5   u8[3] reserved, written 0, ignored
 *     8   u32   the sender's index; 0 in kind 4
 *     12  u32   the receiver's index, 0 in kind 1; in kind 4 the index that is unknown, which its sender once chose or never
 *     16  …     Noise message (kinds 1 to 3): 32 bytes in kind 1, whose payload is empty
 *
 * The indices are not authenticated. Whoever changes one on the way makes an association that carries nothing, as if it
 * had dropped the packets.
 */
import { AEAD_TAG_BYTES, readU32, writeU32 } from '@causeway/protocol'

const OFFSET_COUNTER = 4
/** Room before what is sealed. */
export const SEALED_HEADER_BYTES = 10
const OFFSET_KIND = 4
const OFFSET_SENDER = 8
const OFFSET_RECEIVER = 12
const HANDSHAKE_HEADER_BYTES = 16

const FIRST_MESSAGE_BYTES = 32
/** A credential with 64 patterns fits well. */
export const HANDSHAKE_BYTES_MAX = 16_384

const KINDS = ['first', 'second', 'third', 'unknown'] as const

export interface HandshakePacket {
  readonly kind: (typeof KINDS)[number]
  readonly sender: number
  readonly receiver: number
  readonly noise: Uint8Array
}

/** The bytes of a frame body that carries `length` bytes sealed. */
export function sealedBytes(length: number): number {
  return SEALED_HEADER_BYTES + length + AEAD_TAG_BYTES
}

/** The index to which a body is sealed; 0 if it belongs to a handshake; `undefined` if it is too short for either. */
export function sealedIndex(body: Uint8Array): number | undefined {
  if (body.length < HANDSHAKE_HEADER_BYTES) return undefined
  const index = readU32(body, 0)
  return index !== 0 && body.length < sealedBytes(0) ? undefined : index
}

export function writeSealedHeader(bytes: Uint8Array, at: number, index: number, counter: number): void {
  writeU32(bytes, at, index)
  const high = Math.floor(counter / 2 ** 32)
  bytes[at + OFFSET_COUNTER] = high >>> 8
  bytes[at + OFFSET_COUNTER + 1] = high
  writeU32(bytes, at + OFFSET_COUNTER + 2, counter % 2 ** 32)
}

export function sealedCounter(body: Uint8Array): number {
  const high = ((body[OFFSET_COUNTER] ?? 0) << 8) | (body[OFFSET_COUNTER + 1] ?? 0)
  return high * 2 ** 32 + readU32(body, OFFSET_COUNTER + 2)
}

export function writeHandshake({ kind, sender, receiver, noise }: HandshakePacket): Uint8Array {
  const body = new Uint8Array(HANDSHAKE_HEADER_BYTES + noise.length)
  body[OFFSET_KIND] = KINDS.indexOf(kind) + 1
  writeU32(body, OFFSET_SENDER, sender)
  writeU32(body, OFFSET_RECEIVER, receiver)
  body.set(noise, HANDSHAKE_HEADER_BYTES)
  return body
}

/** What a body with the index 0 says, or `undefined` if it is malformed or of a later version. */
export function readHandshake(body: Uint8Array): HandshakePacket | undefined {
  if (body.length < HANDSHAKE_HEADER_BYTES || body.length > HANDSHAKE_HEADER_BYTES + HANDSHAKE_BYTES_MAX) return undefined
  const kind = KINDS[(body[OFFSET_KIND] ?? 0) - 1]
  if (kind === undefined) return undefined
  const sender = readU32(body, OFFSET_SENDER)
  const receiver = readU32(body, OFFSET_RECEIVER)
  if ((sender === 0) !== (kind === 'unknown') || (receiver === 0) !== (kind === 'first')) return undefined
  const noise = body.subarray(HANDSHAKE_HEADER_BYTES)
  if (kind === 'first' && noise.length !== FIRST_MESSAGE_BYTES) return undefined
  return { kind, sender, receiver, noise }
}
