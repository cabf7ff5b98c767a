/**
 * Probe and reply, after the fields of STAMP (RFC 8762, section 4): both ends number and stamp what they send, so
 * that the two directions of loss and the reflector's own time come apart. The same packet travels in a datagram
 * (UDP evidence) and as a control message (in-band evidence). Both are 40 bytes: a reflector never amplifies.
 *
 * Layout, big-endian; stamps are milliseconds of the writer's own monotonic clock:
 *
 *     0   u8    kind: 1 probe, 2 reply
 *     1   3×u8  reserved, written 0, ignored
 *     4   u32   sequence of the sender
 *     8   f64   sent: when the sender sent the probe; a reply repeats it
 *     16  u32   reply: sequence of the reflector
 *     20  u32   reserved
 *     24  f64   reply: when the reflector received the probe
 *     32  f64   reply: when the reflector sent the reply
 */
import { type Instant, instant } from './instant.ts'

export const PROBE_PACKET_BYTES = 40
export const KIND_PROBE = 1
export const KIND_REPLY = 2

export interface Probe {
  readonly type: 'probe'
  readonly sequence: number
  readonly sent: Instant
}

export interface ProbeReply {
  readonly type: 'reply'
  readonly sequence: number
  readonly sent: Instant
  readonly reflectorSequence: number
  /** On the reflector's clock. */
  readonly received: Instant
  /** On the reflector's clock. */
  readonly transmitted: Instant
}

export function encodeProbePacket(packet: Probe | ProbeReply): Uint8Array {
  const bytes = new Uint8Array(PROBE_PACKET_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, packet.type === 'probe' ? KIND_PROBE : KIND_REPLY)
  view.setUint32(4, packet.sequence)
  view.setFloat64(8, packet.sent)
  if (packet.type === 'reply') {
    view.setUint32(16, packet.reflectorSequence)
    view.setFloat64(24, packet.received)
    view.setFloat64(32, packet.transmitted)
  }
  return bytes
}

/** The packet, or `undefined` if these bytes are none. */
export function decodeProbePacket(bytes: Uint8Array): Probe | ProbeReply | undefined {
  if (bytes.length !== PROBE_PACKET_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sequence = view.getUint32(4)
  const sent = view.getFloat64(8)
  if (!Number.isFinite(sent)) return undefined
  switch (view.getUint8(0)) {
    case KIND_PROBE:
      return { type: 'probe', sequence, sent: instant(sent) }
    case KIND_REPLY: {
      const received = view.getFloat64(24)
      const transmitted = view.getFloat64(32)
      if (!Number.isFinite(received) || !Number.isFinite(transmitted)) return undefined
      return {
        type: 'reply',
        sequence,
        sent: instant(sent),
        reflectorSequence: view.getUint32(16),
        received: instant(received),
        transmitted: instant(transmitted),
      }
    }
    default:
      return undefined
  }
}
