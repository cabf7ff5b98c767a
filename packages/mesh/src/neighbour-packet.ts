/**
 * A packet of a calm channel that goes no further than the neighbour: no route, and no seal of its own, since the lane
 * is sealed between the same two nodes. Of the 86 bytes that a sealed packet takes on the lane, with the record around it,
 * 26 are left. Whatever else a channel has to say, and whatever goes by another way, is sealed and travels in a frame.
 *
 *     0   u8      0x30; frames have 1 in the high half, credit has 2. Low half: 1 from the opener; 2 marked (it waited long, as in
 *                 frames); and the kind: 0 data, 4 ack, 8 trial, 12 it is in the flags
 *     1   u8      flags, in the last case only: kind (4, 8, or 0), 16 opening, 32 end of stream, 64 some packet that this ack
 *                 covers was marked
 *         number  the channel
 *     data:       sequence, how far the packet's number is ahead of it, then the payload
 *     trial:      packet
 *     ack:        cumulative, how far the echo is ahead of the segment before (zigzag), delay in 0.1 ms, window, n,
 *                 n × (gap, length): segments beyond `cumulative` that have arrived, each range as far behind the end of the
 *                 one before
 *
 * Numbers are LEB128, below 2⁵³. What they mean, `channel-packet.ts` says. Packets are numbered as segments are, but again
 * for each copy, acknowledgement and trial, so the two stay close, and the packet's number is never the smaller one.
 */
import { FRAME_MARKED, Leb128Reader, leb128Bytes, writeLeb128 } from '@causeway/protocol'
import { ACK_RANGES_MAX, type ChannelPacket, type SequenceRange } from './channel-packet.ts'

const KIND = 0x30
const HIGH_HALF = 0xf0
const CHANNEL_MAX = 2 ** 32 - 1
const FROM_OPENER = 1
const DATA = 0
const ACK = 4
const TRIAL = 8
const IN_FLAGS = 12
/** Both where the kind is, in the first byte or in the flags. */
const KINDS = 12
const OPENING = 16
const END_OF_STREAM = 32
const ACK_MARKED = 64

export interface NeighbourPacket {
  readonly packet: ChannelPacket
  readonly marked: boolean
}

/** `undefined` if such a packet has to be sealed. */
export function writeNeighbourPacket(packet: ChannelPacket): Uint8Array | undefined {
  switch (packet.kind) {
    case 'data': {
      const flags = (packet.opening ? OPENING : 0) | (packet.endOfStream ? END_OF_STREAM : 0)
      return compose(packet, DATA, flags, [packet.sequence, packet.packet - packet.sequence], packet.payload)
    }
    case 'trial':
      return compose(packet, TRIAL, packet.opening ? OPENING : 0, [packet.packet], [])
    case 'ack': {
      const { cumulative, echo, delayMs, windowBytes, ranges } = packet
      let end = cumulative
      const numbers = [cumulative, zigzag(echo + 1 - cumulative), Math.round(delayMs * 10), windowBytes, ranges.length]
      for (const range of ranges) {
        numbers.push(range.first - end, range.end - range.first)
        end = range.end
      }
      return compose(packet, ACK, packet.marked ? ACK_MARKED : 0, numbers, [])
    }
    default:
      return undefined
  }
}

function compose(
  { channel, fromOpener }: Pick<ChannelPacket, 'channel' | 'fromOpener'>,
  kind: number,
  flags: number,
  numbers: readonly number[],
  payload: readonly Uint8Array[],
): Uint8Array {
  const first = KIND | (fromOpener ? FROM_OPENER : 0) | (flags === 0 ? kind : IN_FLAGS)
  const header = numbers.reduce((sum, value) => sum + leb128Bytes(value), (flags === 0 ? 1 : 2) + leb128Bytes(channel))
  const bytes = new Uint8Array(payload.reduce((sum, { length }) => sum + length, header))
  bytes[0] = first
  if (flags !== 0) bytes[1] = kind | flags
  let at = writeLeb128(bytes, flags === 0 ? 1 : 2, channel)
  for (const value of numbers) at = writeLeb128(bytes, at, value)
  for (const part of payload) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Notes, in place, that the packet waited longer than it should. */
export function markNeighbourPacket(message: Uint8Array): void {
  message[0] = (message[0] ?? 0) | FRAME_MARKED
}

/** The packet, its payload a view; `undefined` if this is none, or malformed. Never throws. */
export function readNeighbourPacket(message: Uint8Array): NeighbourPacket | undefined {
  const first = message[0] ?? 0
  if ((first & HIGH_HALF) !== KIND) return undefined
  const inFlags = (first & KINDS) === IN_FLAGS
  const flags = inFlags ? (message[1] ?? 0) : first & KINDS
  const numbers = new Leb128Reader(message, inFlags ? 2 : 1)
  const packet = readPacket(flags, { channel: numbers.next(), fromOpener: (first & FROM_OPENER) !== 0 }, numbers)
  return packet && packet.channel <= CHANNEL_MAX && numbers.sound ? { packet, marked: (first & FRAME_MARKED) !== 0 } : undefined
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
      const [cumulative, ahead, delay, windowBytes, count] = [
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
      ]
      const echo = cumulative - 1 + unzigzag(ahead)
      if (count > ACK_RANGES_MAX || echo < 0) return undefined
      const ranges: SequenceRange[] = []
      for (let end = cumulative; ranges.length < count;) {
        const start = end + numbers.next()
        end = start + numbers.next()
        ranges.push({ first: start, end })
      }
      return { kind: 'ack', ...common, cumulative, echo, delayMs: delay / 10, windowBytes, marked: (flags & ACK_MARKED) !== 0, ranges }
    }
    default:
      return undefined
  }
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2
}
