import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instant } from './instant.ts'
import { PROBE_PACKET_BYTES, type Probe, type ProbeReply, decodeProbePacket, encodeProbePacket } from './probe-packet.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const stamp = fc.double({ noNaN: true, noDefaultInfinity: true }).map(instant)
const packet: fc.Arbitrary<Probe | ProbeReply> = fc.oneof(
  fc.record({ type: fc.constant('probe' as const), sequence: u32, sent: stamp }),
  fc.record({
    type: fc.constant('reply' as const),
    sequence: u32,
    sent: stamp,
    reflectorSequence: u32,
    received: stamp,
    transmitted: stamp,
  }),
)

describe('probe packet', () => {
  test('round trip, always 40 bytes, at any alignment', () => {
    fc.assert(
      fc.property(packet, fc.nat(7), (each, shift) => {
        const bytes = encodeProbePacket(each)
        expect(bytes.length).toBe(PROBE_PACKET_BYTES)
        const shifted = new Uint8Array(PROBE_PACKET_BYTES + shift)
        shifted.set(bytes, shift)
        expect(decodeProbePacket(shifted.subarray(shift))).toEqual(each)
      }),
    )
  })

  test('any bytes decode to finite stamps or to undefined', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 38, maxLength: 42 }), fc.constantFrom(0, 1, 2, 3), (bytes, kind) => {
        bytes[0] = kind
        const decoded = decodeProbePacket(bytes)
        if (bytes.length !== PROBE_PACKET_BYTES || kind === 0 || kind === 3) expect(decoded).toBeUndefined()
        if (decoded) expect(Number.isFinite(decoded.sent)).toBe(true)
      }),
    )
  })

  test('refuses stamps that are not numbers', () => {
    const sent = instant(1)
    const probe = encodeProbePacket({ type: 'probe', sequence: 1, sent: instant(Number.NaN) })
    const reply = { type: 'reply' as const, sequence: 1, sent, reflectorSequence: 1, received: sent, transmitted: sent }
    expect(decodeProbePacket(probe)).toBeUndefined()
    expect(decodeProbePacket(encodeProbePacket({ ...reply, received: instant(Infinity) }))).toBeUndefined()
    expect(decodeProbePacket(encodeProbePacket({ ...reply, transmitted: instant(Number.NaN) }))).toBeUndefined()
    expect(decodeProbePacket(encodeProbePacket(reply))).toEqual(reply)
  })
})
