/**
 * What the two ends of a channel say to each other inside frames. Every packet names its channel by the opener's
 * number; which end opened it is in the flags, since both ends number on their own.
 *
 * Layout, big-endian:
 *
 *     0   u8    kind: 1 data, 2 ack, 3 trial, 4 reset, 5 gone
 *     1   u8    flags: 1 from the opener, 2 opening (may create the channel), 4 end of message, 8 end of stream
 *     2   u16   reserved, written 0, ignored
 *     4   u32   channel number
 *     data, trial:
 *     8   u48   packet number: counts transmissions of this end, never repeats
 *     14  u48   sequence of the segment (data)
 *     20  …     payload (data)
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
const ACK_HEADER_BYTES = 28
const RANGE_BYTES = 12
const REASON_BYTES_MAX = 200
export const ACK_RANGES_MAX = 16

const KINDS = ['data', 'ack', 'trial', 'reset', 'gone'] as const

const FROM_OPENER = 1
const OPENING = 2
const END_OF_MESSAGE = 4
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
  readonly endOfMessage: boolean
  readonly endOfStream: boolean
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

export type ChannelPacket = DataPacket | TrialPacket | AckPacket | ResetPacket | GonePacket

export function channelPacketBytes(packet: ChannelPacket): number {
  switch (packet.kind) {
    case 'data':
      return DATA_HEADER_BYTES + packet.payload.length
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
      bytes[at + 1] = (bytes[at + 1] ?? 0) | (packet.endOfMessage ? END_OF_MESSAGE : 0) | (packet.endOfStream ? END_OF_STREAM : 0)
      writeU48(bytes, at + 8, packet.packet)
      writeU48(bytes, at + 14, packet.sequence)
      bytes.set(packet.payload, at + DATA_HEADER_BYTES)
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

function writeAck(bytes: Uint8Array, at: number, ack: AckPacket): void {
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

/** The packet in a frame's body, its payload a view; `undefined` if malformed. Never throws. */
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
        endOfMessage: (flags & END_OF_MESSAGE) !== 0,
        endOfStream: (flags & END_OF_STREAM) !== 0,
        packet: readU48(body, 8),
        sequence: readU48(body, 14),
        payload: body.subarray(DATA_HEADER_BYTES),
      }
    case 'trial':
      return body.length < 14 ? undefined : { kind, ...common, opening: (flags & OPENING) !== 0, packet: readU48(body, 8) }
    case 'ack':
      return readAck(body, common)
    case 'reset':
      return { kind, ...common, reason: String.fromCharCode(...body.subarray(8, 8 + REASON_BYTES_MAX)) }
    case 'gone':
      return { kind, ...common }
    default:
      return undefined
  }
}

function readAck(body: Uint8Array, common: Common): AckPacket | undefined {
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
