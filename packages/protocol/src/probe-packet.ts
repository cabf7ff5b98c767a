/**
 * Probe and reply, after the fields of STAMP (RFC 8762, section 4): both ends number and stamp what they send, so
 * that the two directions of loss and of delay, and the reflector's own time, come apart. The same packet travels in
 * a datagram (UDP evidence) and as a control message (in-band evidence). Both are 18 bytes: a reflector never
 * amplifies, and a link can be probed for ever at the price of a trickle.
 *
 * Usually only the end that dialled probes. So that the other learns as much, a probe also carries what its sender
 * knows from the exchanges before, and promises when the next one leaves.
 *
 * Layout, big-endian. A stamp is in microseconds of the writer's own monotonic clock, modulo 2³²:
 *
 *     0   u8    kind: 1 probe, 2 reply
 *     1   u8    probe: flags: 1 urgent, 2 alone, 4 degraded, 8 round trip and queue are known
 *     2   u16   sequence of the sender; a reply repeats it
 *     4   u32   stamp: when the probe left; a reply repeats it
 *
 *     probe                                                  reply
 *     8   u32   round trip of the last exchange, µs          8   u32   stamp: when the probe arrived
 *     12  u16   replies that have come back, modulo 2¹⁶      12  u16   sequence of the reflector
 *     14  u16   queue on the way back, 100 µs                14  u16   from arrival to departure, 10 µs
 *     16  u16   the next probe leaves within, ms             16  u16   since the reflector's process last ran, ms
 */
import type { Instant } from './instant.ts'

export const PROBE_PACKET_BYTES = 18
export const KIND_PROBE = 1
export const KIND_REPLY = 2
/** Where the stamp of departure stands, for a driver that stamps at the last moment. */
export const SENT_OFFSET = 4

const SIXTEEN_BITS = 0xffff
const FLAG = { urgent: 1, alone: 2, degraded: 4, known: 8 } as const

/** Microseconds of a monotonic clock, modulo 2³². */
export type Stamp = number

export interface Probe {
  readonly type: 'probe'
  /** 16 bits, then it begins again. */
  readonly sequence: number
  readonly sent: Stamp
  /** The sender suspects the link: the other end should too. */
  readonly urgent: boolean
  /** The sender can reach no hub otherwise: do not hold the link back. */
  readonly alone: boolean
  /** The sender finds the link degraded. */
  readonly degraded: boolean
  /** Of the last exchange; `null` before the first. */
  readonly rttMs: number | null
  /** How long the last reply waited in queues on its way, as far as is known. */
  readonly queueMs: number | null
  /** How many replies over this way have come back, 16 bits. */
  readonly replies: number
  /** The next probe leaves within this time. 0: no promise. */
  readonly nextMs: number
}

export interface ProbeReply {
  readonly type: 'reply'
  readonly sequence: number
  readonly sent: Stamp
  /** On the reflector's clock. */
  readonly received: Stamp
  /** Counts the replies over this way, 16 bits. */
  readonly reflectorSequence: number
  /** From the arrival of the probe to the departure of the reply. */
  readonly residenceMs: number
  /** How long ago the main thread of the reflector's process last ran. */
  readonly ageMs: number
}

export function stampOf(at: Instant): Stamp {
  return Math.floor((at * 1000) % 2 ** 32)
}

/** From `earlier` to `later`, two stamps of one clock within 35 minutes of each other; negative the other way round. */
export function betweenStampsMs(earlier: Stamp, later: Stamp): number {
  return ((later - earlier) | 0) / 1000
}

export function encodeProbePacket(packet: Probe | ProbeReply): Uint8Array {
  const bytes = new Uint8Array(PROBE_PACKET_BYTES)
  put16(bytes, 2, packet.sequence)
  put32(bytes, SENT_OFFSET, packet.sent)
  if (packet.type === 'probe') {
    const known = packet.rttMs !== null
    bytes[0] = KIND_PROBE
    bytes[1] = flagsOf(packet, known)
    put32(bytes, 8, Math.min(0xffff_ffff, Math.round((packet.rttMs ?? 0) * 1000)))
    put16(bytes, 12, packet.replies)
    put16(bytes, 14, sixteen((packet.queueMs ?? 0) * 10))
    put16(bytes, 16, sixteen(packet.nextMs))
  } else {
    bytes[0] = KIND_REPLY
    put32(bytes, 8, packet.received)
    put16(bytes, 12, packet.reflectorSequence)
    put16(bytes, 14, sixteen(packet.residenceMs * 100))
    put16(bytes, 16, sixteen(packet.ageMs))
  }
  return bytes
}

/** The packet, or `undefined` if these bytes are none. */
export function decodeProbePacket(bytes: Uint8Array): Probe | ProbeReply | undefined {
  if (bytes.length !== PROBE_PACKET_BYTES) return undefined
  const sequence = get16(bytes, 2)
  const sent = get32(bytes, SENT_OFFSET)
  switch (bytes[0]) {
    case KIND_PROBE: {
      const flags = bytes[1] ?? 0
      const known = (flags & FLAG.known) !== 0
      return {
        type: 'probe',
        sequence,
        sent,
        urgent: (flags & FLAG.urgent) !== 0,
        alone: (flags & FLAG.alone) !== 0,
        degraded: (flags & FLAG.degraded) !== 0,
        rttMs: known ? get32(bytes, 8) / 1000 : null,
        queueMs: known ? get16(bytes, 14) / 10 : null,
        replies: get16(bytes, 12),
        nextMs: get16(bytes, 16),
      }
    }
    case KIND_REPLY:
      return {
        type: 'reply',
        sequence,
        sent,
        received: get32(bytes, 8),
        reflectorSequence: get16(bytes, 12),
        residenceMs: get16(bytes, 14) / 100,
        ageMs: get16(bytes, 16),
      }
    default:
      return undefined
  }
}

function flagsOf(probe: Probe, known: boolean): number {
  return (probe.urgent ? FLAG.urgent : 0) | (probe.alone ? FLAG.alone : 0) | (probe.degraded ? FLAG.degraded : 0) | (known ? FLAG.known : 0)
}

/** What does not fit is written as the largest number that does. */
function sixteen(value: number): number {
  return Math.min(SIXTEEN_BITS, Math.round(value))
}

// A `DataView` would cost more than all the rest: bytes as few as these get a buffer of their own only if they need one.

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16)
  put16(bytes, at + 2, value)
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function get32(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 2 ** 16 + get16(bytes, at + 2)
}
