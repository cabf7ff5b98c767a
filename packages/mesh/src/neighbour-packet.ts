/**
 * A packet of a calm channel that goes no further than the neighbour: no route, and no seal of its own, since the lane
 * is sealed between the same two nodes. Of the 92 bytes that a sealed packet takes on the lane, with the record around it,
 * 39 are left. Whatever else a channel has to say, and whatever goes by another way, is sealed and travels in a frame.
 *
 *     0   u8      0x30; frames have 1 in the high half, credit has 2; 0 in the low half: of class `ordered`
 *     1   u8      flags: 1 from the opener, 2 marked (it waited long, as in frames), 4 opening, 8 end of stream,
 *                 16 some packet that this ack covers was marked; and the kind: 32 data, 64 ack, 96 trial
 *     2   u32     channel number
 *     data:       packet, sequence, then the payload
 *     trial:      packet
 *     ack:        cumulative, echo, delay in 0.1 ms, window, n, n × (gap, length): segments beyond `cumulative` that have
 *                 arrived, each range as far behind the end of the one before
 *
 * Numbers are LEB128 (DWARF 5, 7.6), below 2⁵³. What they mean, `channel-packet.ts` says.
 */
import { FRAME_MARKED, readU32, writeU32 } from '@causeway/protocol'
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
const NUMBER_BYTES_MAX = 8

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
      return compose(flags, packet.channel, [packet.packet, packet.sequence], packet.payload)
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
  const encoded = numbers.flatMap(encodeNumber)
  const bytes = new Uint8Array(payload.reduce((sum, { length }) => sum + length, HEADER_BYTES + encoded.length))
  bytes[0] = KIND
  bytes[1] = flags
  writeU32(bytes, 2, channel)
  bytes.set(encoded, HEADER_BYTES)
  let at = HEADER_BYTES + encoded.length
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
  const numbers = new Numbers(message)
  const packet = readPacket(flags, { channel: readU32(message, 2), fromOpener: (flags & FROM_OPENER) !== 0 }, numbers)
  return packet && numbers.sound ? { packet, marked: (flags & FRAME_MARKED) !== 0 } : undefined
}

function readPacket(flags: number, common: Pick<ChannelPacket, 'channel' | 'fromOpener'>, numbers: Numbers): ChannelPacket | undefined {
  const opening = (flags & OPENING) !== 0
  switch (flags & KINDS) {
    case DATA: {
      const [packet, sequence] = [numbers.next(), numbers.next()]
      return { kind: 'data', ...common, opening, endOfStream: (flags & END_OF_STREAM) !== 0, packet, sequence, payload: [numbers.rest()] }
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

function encodeNumber(value: number): number[] {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return [...bytes, value]
}

class Numbers {
  readonly #bytes: Uint8Array
  #at = HEADER_BYTES
  /** So far there was a number whenever one was asked for. */
  sound = true

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  next(): number {
    let value = 0
    for (let index = 0, unit = 1; index < NUMBER_BYTES_MAX; index++, unit *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 127) * unit
      if (byte < 128 && Number.isSafeInteger(value)) return value
    }
    this.sound = false
    return 0
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }
}
