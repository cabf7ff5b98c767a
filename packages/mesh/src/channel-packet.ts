/**
 * What the two ends of a channel say to each other, sealed, inside frames. Every packet names its channel by the
 * opener's number; which end opened it is in the flags, since both ends number on their own.
 *
 * Layout, big-endian:
 *
 *     0   u8    kind: 1 data, 2 ack, 3 trial, 4 reset, 5 gone, 6 datagram
 *     1   u8    flags: 1 from the opener, 2 opening (may create the channel), 4 marked (some frame that this ack covers
 *               was), 8 end of stream
 *     2   u16   reserved, written 0, ignored
 *     4   u32   channel number
 *     data, trial, datagram:
 *     8   u48   packet number: counts transmissions of this end, never repeats
 *     14  u48   sequence of the segment (data), of the message (datagram)
 *     20  …     payload (data)
 *     20  u8    fragment of the message, from 0 (datagram)
 *     21  u8    fragments that the message has (datagram)
 *     22  …     payload (datagram)
 *     ack:
 *     8   u48   cumulative: every segment below has arrived
 *     14  u48   echo: the packet number that this ack answers
 *     20  u16   delay between that packet and this ack, in 0.1 ms, saturating
 *     22  u8    n, ranges that follow
 *     23  u8    reserved
 *     24  u32   window: bytes beyond `cumulative` that the receiver will hold
 *     28  n × (u48 first, u48 past the last): segments beyond `cumulative` that have arrived
 *     reset:
 *     8   …     reason, ASCII, at most 200 bytes
 */
import { readU32, writeU32 } from '@causeway/protocol'

const DATA_HEADER_BYTES = 20
export const DATAGRAM_HEADER_BYTES = 22
const ACK_HEADER_BYTES = 28
const RANGE_BYTES = 12
const REASON_BYTES_MAX = 200
export const ACK_RANGES_MAX = 16

const KINDS = ['data', 'ack', 'trial', 'reset', 'gone', 'datagram'] as const

const FROM_OPENER = 1
const OPENING = 2
const MARKED = 4
const END_OF_STREAM = 8

interface Common {
  readonly channel: number
  readonly fromOpener: boolean
}

export interface DataPacket extends Common {
  readonly kind: 'data'
  readonly opening: boolean
  readonly packet: number
  readonly sequence: number
  readonly endOfStream: boolean
  /** In pieces, in order; a packet that was read has one. */
  readonly payload: readonly Uint8Array[]
}

/** A message, or a fragment of one, that is not sent again. */
export interface DatagramPacket extends Common {
  readonly kind: 'datagram'
  readonly packet: number
  readonly sequence: number
  readonly fragment: number
  /** At least 1. */
  readonly fragments: number
  readonly payload: Uint8Array
}

/** Asks for an ack without carrying anything: is this path, is this channel alive? */
interface TrialPacket extends Common {
  readonly kind: 'trial'
  readonly opening: boolean
  readonly packet: number
}

export interface SequenceRange {
  readonly first: number
  /** One past the last. */
  readonly end: number
}

export interface AckPacket extends Common {
  readonly kind: 'ack'
  readonly cumulative: number
  readonly echo: number
  readonly delayMs: number
  readonly windowBytes: number
  readonly marked: boolean
  readonly ranges: readonly SequenceRange[]
}

interface ResetPacket extends Common {
  readonly kind: 'reset'
  readonly reason: string
}

/** The answer to a packet of a channel that this end does not know. */
interface GonePacket extends Common {
  readonly kind: 'gone'
}

export type ChannelPacket = DataPacket | TrialPacket | AckPacket | ResetPacket | GonePacket | DatagramPacket

export function channelPacketBytes(packet: ChannelPacket): number {
  switch (packet.kind) {
    case 'data':
      return packet.payload.reduce((sum, { length }) => sum + length, DATA_HEADER_BYTES)
    case 'datagram':
      return DATAGRAM_HEADER_BYTES + packet.payload.length
    case 'ack':
      return ACK_HEADER_BYTES + RANGE_BYTES * packet.ranges.length
    case 'trial':
      return 14
    case 'reset':
      return 8 + Math.min(packet.reason.length, REASON_BYTES_MAX)
    case 'gone':
      return 8
  }
}

/** Writes the packet at `at`; the frame must have `channelPacketBytes` of room there. */
export function writeChannelPacket(bytes: Uint8Array, at: number, packet: ChannelPacket): void {
  bytes[at] = KINDS.indexOf(packet.kind) + 1
  const opening = (packet.kind === 'data' || packet.kind === 'trial') && packet.opening
  bytes[at + 1] = (packet.fromOpener ? FROM_OPENER : 0) | (opening ? OPENING : 0)
  bytes[at + 2] = bytes[at + 3] = 0
  writeU32(bytes, at + 4, packet.channel)
  switch (packet.kind) {
    case 'data':
      bytes[at + 1] = (bytes[at + 1] ?? 0) | (packet.endOfStream ? END_OF_STREAM : 0)
      writeU48(bytes, at + 8, packet.packet)
      writeU48(bytes, at + 14, packet.sequence)
      return writeParts(bytes, at + DATA_HEADER_BYTES, packet.payload)
    case 'datagram':
      writeU48(bytes, at + 8, packet.packet)
      writeU48(bytes, at + 14, packet.sequence)
      bytes[at + 20] = packet.fragment
      bytes[at + 21] = packet.fragments
      bytes.set(packet.payload, at + DATAGRAM_HEADER_BYTES)
      return
    case 'trial':
      writeU48(bytes, at + 8, packet.packet)
      return
    case 'ack':
      return writeAck(bytes, at, packet)
    case 'reset':
      for (let i = 0; i < Math.min(packet.reason.length, REASON_BYTES_MAX); i++) bytes[at + 8 + i] = packet.reason.charCodeAt(i) & 0x7f
      return
    case 'gone':
  }
}

function writeParts(bytes: Uint8Array, at: number, parts: readonly Uint8Array[]): void {
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
}

function writeAck(bytes: Uint8Array, at: number, ack: AckPacket): void {
  if (ack.marked) bytes[at + 1] = (bytes[at + 1] ?? 0) | MARKED
  writeU48(bytes, at + 8, ack.cumulative)
  writeU48(bytes, at + 14, ack.echo)
  const delay = Math.min(Math.round(ack.delayMs * 10), 0xffff)
  bytes[at + 20] = delay >>> 8
  bytes[at + 21] = delay
  bytes[at + 22] = ack.ranges.length
  bytes[at + 23] = 0
  writeU32(bytes, at + 24, ack.windowBytes)
  let offset = at + ACK_HEADER_BYTES
  for (const { first, end } of ack.ranges) {
    writeU48(bytes, offset, first)
    writeU48(bytes, offset + 6, end)
    offset += RANGE_BYTES
  }
}

/** The packet, its payload a view; `undefined` if malformed. Never throws. */
export function readChannelPacket(body: Uint8Array): ChannelPacket | undefined {
  if (body.length < 8) return undefined
  const kind = KINDS[(body[0] ?? 0) - 1]
  const flags = body[1] ?? 0
  const common = { channel: readU32(body, 4), fromOpener: (flags & FROM_OPENER) !== 0 }
  switch (kind) {
    case 'data':
      if (body.length < DATA_HEADER_BYTES) return undefined
      return {
        kind,
        ...common,
        opening: (flags & OPENING) !== 0,
        endOfStream: (flags & END_OF_STREAM) !== 0,
        packet: readU48(body, 8),
        sequence: readU48(body, 14),
        payload: [body.subarray(DATA_HEADER_BYTES)],
      }
    case 'datagram':
      return readDatagram(body, common)
    case 'trial':
      return body.length < 14 ? undefined : { kind, ...common, opening: (flags & OPENING) !== 0, packet: readU48(body, 8) }
    case 'ack':
      return readAck(body, common, (flags & MARKED) !== 0)
    case 'reset':
      return { kind, ...common, reason: String.fromCharCode(...body.subarray(8, 8 + REASON_BYTES_MAX)) }
    case 'gone':
      return { kind, ...common }
    default:
      return undefined
  }
}

function readDatagram(body: Uint8Array, common: Common): DatagramPacket | undefined {
  const [fragment = 0, fragments = 0] = body.subarray(20, 22)
  if (body.length < DATAGRAM_HEADER_BYTES || fragment >= fragments) return undefined
  const payload = body.subarray(DATAGRAM_HEADER_BYTES)
  return { kind: 'datagram', ...common, packet: readU48(body, 8), sequence: readU48(body, 14), fragment, fragments, payload }
}

function readAck(body: Uint8Array, common: Common, marked: boolean): AckPacket | undefined {
  if (body.length < ACK_HEADER_BYTES) return undefined
  const count = body[22] ?? 0
  if (count > ACK_RANGES_MAX || body.length < ACK_HEADER_BYTES + RANGE_BYTES * count) return undefined
  const ranges: SequenceRange[] = []
  for (let at = ACK_HEADER_BYTES; ranges.length < count; at += RANGE_BYTES) {
    ranges.push({ first: readU48(body, at), end: readU48(body, at + 6) })
  }
  return {
    kind: 'ack',
    ...common,
    cumulative: readU48(body, 8),
    echo: readU48(body, 14),
    delayMs: (((body[20] ?? 0) << 8) | (body[21] ?? 0)) / 10,
    windowBytes: readU32(body, 24),
    marked,
    ranges,
  }
}

function writeU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  bytes[at] = high >>> 8
  bytes[at + 1] = high
  writeU32(bytes, at + 2, value >>> 0)
}

function readU48(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)) * 0x1_0000_0000 + readU32(bytes, at + 2)
}
