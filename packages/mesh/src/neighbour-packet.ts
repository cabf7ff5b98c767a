/**
 * A packet of a calm channel that goes no further than the neighbour: no route, and no seal of its own, since the lane
 * is sealed between the same two nodes. Of the 86 bytes that a sealed packet takes on the lane, with the record around it,
 * 30 are left. Whatever else a channel has to say, and whatever goes by another way, is sealed and travels in a frame.
 *
 *     0   u8      0x30; frames have 1 in the high half, credit has 2; 0 in the low half: of class `ordered`
 *     1   u8      flags: 1 from the opener, 2 marked (it waited long, as in frames), 4 opening, 8 end of stream,
 *                 16 some packet that this ack covers was marked; and the kind: 32 data, 64 ack, 96 trial
 *     2   u32     channel number
 *     data:       sequence, how far the packet's number is ahead of it, then the payload
 *     trial:      packet
 *     ack:        cumulative, echo, delay in 0.1 ms, window, n, n × (gap, length): segments beyond `cumulative` that have
 *                 arrived, each range as far behind the end of the one before
 *
 * Numbers are LEB128, below 2⁵³. What they mean, `channel-packet.ts` says. Packets are numbered as segments are, but again
 * for each copy, acknowledgement and trial, so the two stay close, and the packet's number is never the smaller one.
 */
import { FRAME_MARKED, Leb128Reader, leb128Bytes, readU32, writeLeb128, writeU32 } from '@causeway/protocol'
import { ACK_RANGES_MAX, type ChannelPacket, type SequenceRange } from './channel-packet.ts'

const KIND = 0x30
const HEADER_BYTES = 6
const FROM_OPENER = 1
const OPENING = 4
const END_OF_STREAM = 8
const ACK_MARKED = 16
const DATA = 32
const ACK = 64
const TRIAL = 96
const KINDS = DATA | ACK

export interface NeighbourPacket {
  readonly packet: ChannelPacket
  readonly marked: boolean
}

/** `undefined` if such a packet has to be sealed. */
export function writeNeighbourPacket(packet: ChannelPacket): Uint8Array | undefined {
  const opener = packet.fromOpener ? FROM_OPENER : 0
  switch (packet.kind) {
    case 'data': {
      const flags = DATA | opener | (packet.opening ? OPENING : 0) | (packet.endOfStream ? END_OF_STREAM : 0)
      return compose(flags, packet.channel, [packet.sequence, packet.packet - packet.sequence], packet.payload)
    }
    case 'trial':
      return compose(TRIAL | opener | (packet.opening ? OPENING : 0), packet.channel, [packet.packet], [])
    case 'ack': {
      const { cumulative, echo, delayMs, windowBytes, ranges } = packet
      let end = cumulative
      const numbers = [cumulative, echo, Math.round(delayMs * 10), windowBytes, ranges.length]
      for (const range of ranges) {
        numbers.push(range.first - end, range.end - range.first)
        end = range.end
      }
      return compose(ACK | opener | (packet.marked ? ACK_MARKED : 0), packet.channel, numbers, [])
    }
    default:
      return undefined
  }
}

function compose(flags: number, channel: number, numbers: readonly number[], payload: readonly Uint8Array[]): Uint8Array {
  const header = numbers.reduce((sum, value) => sum + leb128Bytes(value), HEADER_BYTES)
  const bytes = new Uint8Array(payload.reduce((sum, { length }) => sum + length, header))
  bytes[0] = KIND
  bytes[1] = flags
  writeU32(bytes, 2, channel)
  let at = HEADER_BYTES
  for (const value of numbers) at = writeLeb128(bytes, at, value)
  for (const part of payload) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The packet, its payload a view; `undefined` if this is none, or malformed. Never throws. */
export function readNeighbourPacket(message: Uint8Array): NeighbourPacket | undefined {
  if (message[0] !== KIND || message.length < HEADER_BYTES) return undefined
  const flags = message[1] ?? 0
  const numbers = new Leb128Reader(message, HEADER_BYTES)
  const packet = readPacket(flags, { channel: readU32(message, 2), fromOpener: (flags & FROM_OPENER) !== 0 }, numbers)
  return packet && numbers.sound ? { packet, marked: (flags & FRAME_MARKED) !== 0 } : undefined
}

function readPacket(
  flags: number,
  common: Pick<ChannelPacket, 'channel' | 'fromOpener'>,
  numbers: Leb128Reader,
): ChannelPacket | undefined {
  const opening = (flags & OPENING) !== 0
  switch (flags & KINDS) {
    case DATA: {
      const [sequence, ahead] = [numbers.next(), numbers.next()]
      const endOfStream = (flags & END_OF_STREAM) !== 0
      return { kind: 'data', ...common, opening, endOfStream, packet: sequence + ahead, sequence, payload: [numbers.rest()] }
    }
    case TRIAL:
      return { kind: 'trial', ...common, opening, packet: numbers.next() }
    case ACK: {
      const [cumulative, echo, delay, windowBytes, count] = [numbers.next(), numbers.next(), numbers.next(), numbers.next(), numbers.next()]
      if (count > ACK_RANGES_MAX) return undefined
      const ranges: SequenceRange[] = []
      for (let end = cumulative; ranges.length < count;) {
        const first = end + numbers.next()
        end = first + numbers.next()
        ranges.push({ first, end })
      }
      return { kind: 'ack', ...common, cumulative, echo, delayMs: delay / 10, windowBytes, marked: (flags & ACK_MARKED) !== 0, ranges }
    }
    default:
      return undefined
  }
}
