/**
 * STAMP test packets, unauthenticated (RFC 8762, with the session identifier and the TLVs of RFC 8972). The sender
 * numbers and stamps; the reflector adds its own number and its own two stamps and returns the sender's words, so
 * that both ways come apart. A reply is exactly as long as its request: nobody can be amplified.
 *
 * Session-Sender (RFC 8762, 4.2.1; RFC 8972, 3), big-endian:
 *
 *     0    u32   sequence
 *     4    u64   timestamp
 *     12   u16   error estimate
 *     14   u16   SSID, 0 if none
 *     16   28    zero
 *     44         TLVs
 *
 * Session-Reflector (RFC 8762, 4.3.1):
 *
 *     0    u32   sequence of the reflector
 *     4    u64   timestamp: when it left again
 *     12   u16   error estimate of the reflector
 *     14   u16   SSID
 *     16   u64   when it was received
 *     24   16    sequence, timestamp, error estimate of the sender, two zero bytes
 *     40   u8    TTL with which the request arrived
 *     41   3     zero
 *     44         TLVs
 */
import { type ClockClaim, decodeErrorEstimate, encodeErrorEstimate, readTimestamp, writeNtpTimestamp } from './ntp-timestamp.ts'
import { TLV_HEAD_BYTES, answerTlvs, writePadding } from './stamp-tlv.ts'

export const STAMP_PORT = 862
export const STAMP_BYTES = 44

const TIMESTAMP_AT = 4
const ERROR_AT = 12
const SSID_AT = 14
const RECEIVED_AT = 16
const SENDER_AT = 24
const SENDER_BYTES = 14
const TTL_AT = 40

export interface SenderPacket {
  readonly sequence: number
  /** Wall clock, as all times here. */
  readonly sentAt: number
  readonly clock: ClockClaim
  readonly ssid: number
}

export interface ReflectorPacket {
  readonly sequence: number
  readonly transmittedAt: number
  readonly receivedAt: number
  readonly clock: ClockClaim
  readonly ssid: number
  /** What the request said. */
  readonly sender: { readonly sequence: number; readonly sentAt: number; readonly clock: ClockClaim }
  /** 0 if the reflector could not tell. */
  readonly ttl: number
}

/** A packet has 44 bytes, or room for a TLV beyond them. */
export function isStampSize(bytes: number): boolean {
  return bytes === STAMP_BYTES || bytes >= STAMP_BYTES + TLV_HEAD_BYTES
}

/** A request of `bytes` bytes; what is beyond the packet itself is padding. */
export function writeSenderPacket(bytes: number, packet: SenderPacket): Uint8Array {
  const request = new Uint8Array(bytes)
  const view = viewOf(request)
  view.setUint32(0, packet.sequence)
  writeNtpTimestamp(view, TIMESTAMP_AT, packet.sentAt)
  view.setUint16(ERROR_AT, encodeErrorEstimate(packet.clock))
  view.setUint16(SSID_AT, packet.ssid)
  writePadding(request, STAMP_BYTES)
  return request
}

/** `undefined` if the bytes are no test packet. */
export function readSenderPacket(bytes: Uint8Array): SenderPacket | undefined {
  if (bytes.length < STAMP_BYTES) return undefined
  const view = viewOf(bytes)
  const clock = decodeErrorEstimate(view.getUint16(ERROR_AT))
  const sentAt = readTimestamp(view, TIMESTAMP_AT, clock.format)
  return sentAt === undefined ? undefined : { sequence: view.getUint32(0), sentAt, clock, ssid: view.getUint16(SSID_AT) }
}

export interface Reflection {
  readonly sequence: number
  readonly receivedAt: number
  readonly clock: ClockClaim
}

/**
 * The reply to a request that has been read; `stampReply` it when it leaves. The TTL stays 0: a UDP socket of this
 * platform does not tell it.
 */
export function writeReply(request: Uint8Array, { sequence, receivedAt, clock }: Reflection): Uint8Array {
  const reply = new Uint8Array(request.length)
  const view = viewOf(reply)
  view.setUint32(0, sequence)
  view.setUint16(ERROR_AT, encodeErrorEstimate(clock))
  view.setUint16(SSID_AT, viewOf(request).getUint16(SSID_AT))
  writeNtpTimestamp(view, RECEIVED_AT, receivedAt)
  reply.set(request.subarray(0, SENDER_BYTES), SENDER_AT)
  reply.set(request.subarray(STAMP_BYTES), STAMP_BYTES)
  answerTlvs(reply, STAMP_BYTES)
  return reply
}

/** The last thing done to a reply. */
export function stampReply(reply: Uint8Array, transmittedAt: number): void {
  writeNtpTimestamp(viewOf(reply), TIMESTAMP_AT, transmittedAt)
}

/** `undefined` if the bytes are no reply. */
export function readReflectorPacket(bytes: Uint8Array): ReflectorPacket | undefined {
  if (bytes.length < STAMP_BYTES) return undefined
  const view = viewOf(bytes)
  const clock = decodeErrorEstimate(view.getUint16(ERROR_AT))
  const transmittedAt = readTimestamp(view, TIMESTAMP_AT, clock.format)
  const receivedAt = readTimestamp(view, RECEIVED_AT, clock.format)
  const sender = readSenderPacketAt(view)
  if (transmittedAt === undefined || receivedAt === undefined || sender === undefined) return undefined
  return {
    sequence: view.getUint32(0),
    transmittedAt,
    receivedAt,
    clock,
    ssid: view.getUint16(SSID_AT),
    sender,
    ttl: view.getUint8(TTL_AT),
  }
}

function readSenderPacketAt(view: DataView): ReflectorPacket['sender'] | undefined {
  const clock = decodeErrorEstimate(view.getUint16(SENDER_AT + ERROR_AT))
  const sentAt = readTimestamp(view, SENDER_AT + TIMESTAMP_AT, clock.format)
  return sentAt === undefined ? undefined : { sequence: view.getUint32(SENDER_AT), sentAt, clock }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
