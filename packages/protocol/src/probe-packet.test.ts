import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { after, instant } from './instant.ts'
import {
  PROBE_PACKET_BYTES,
  type Probe,
  type ProbeReply,
  betweenStampsMs,
  decodeProbePacket,
  encodeProbePacket,
  stampOf,
} from './probe-packet.ts'

const u16 = fc.integer({ min: 0, max: 0xffff })
const stamp = fc.integer({ min: 0, max: 0xffff_ffff })
/** Numbers that the layout can hold exactly, in steps of 1/`scale`. */
const exact = (scale: number): fc.Arbitrary<number> => u16.map((value) => value / scale)

const packet: fc.Arbitrary<Probe | ProbeReply> = fc.oneof(
  fc
    .record({
      type: fc.constant('probe' as const),
      sequence: u16,
      sent: stamp,
      urgent: fc.boolean(),
      alone: fc.boolean(),
      degraded: fc.boolean(),
      rttMs: stamp.map((micros) => micros / 1000),
      queueMs: exact(10),
      replies: u16,
      nextMs: u16,
    })
    .chain((probe) => fc.constantFrom(probe, { ...probe, rttMs: null, queueMs: null })),
  fc.record({
    type: fc.constant('reply' as const),
    sequence: u16,
    sent: stamp,
    received: stamp,
    reflectorSequence: u16,
    residenceMs: exact(100),
    ageMs: u16,
  }),
)

describe('probe packet', () => {
  test('round trip, always 18 bytes, at any alignment', () => {
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

  test('the layout is the documented one', () => {
    const probe: Probe = {
      type: 'probe',
      sequence: 0x0102,
      sent: 0x03040506,
      urgent: true,
      alone: false,
      degraded: false,
      rttMs: 1,
      queueMs: 0.5,
      replies: 7,
      nextMs: 200,
    }
    expect(Buffer.from(encodeProbePacket(probe)).toString('hex')).toBe('0109010203040506000003e80007000500c8')
    const reply: ProbeReply = {
      type: 'reply',
      sequence: 0x0102,
      sent: 0x03040506,
      received: 0x0a0b0c0d,
      reflectorSequence: 9,
      residenceMs: 0.25,
      ageMs: 30,
    }
    expect(Buffer.from(encodeProbePacket(reply)).toString('hex')).toBe('02000102030405060a0b0c0d00090019001e')
  })

  test('any bytes decode to a packet of finite numbers or to undefined', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 20 }), fc.constantFrom(0, 1, 2, 3), (bytes, kind) => {
        bytes[0] = kind
        const decoded = decodeProbePacket(bytes)
        if (bytes.length !== PROBE_PACKET_BYTES || kind === 0 || kind === 3) expect(decoded).toBeUndefined()
        for (const value of Object.values(decoded ?? {})) if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true)
      }),
    )
  })

  test('what does not fit is the largest that does, never what is left of it', () => {
    const probe: Probe = {
      type: 'probe',
      sequence: 1,
      sent: 1,
      urgent: false,
      alone: false,
      degraded: false,
      rttMs: 1e9,
      queueMs: 1e9,
      replies: 1,
      nextMs: 1e9,
    }
    expect(decodeProbePacket(encodeProbePacket(probe))).toMatchObject({ queueMs: 6553.5, nextMs: 65_535 })
  })
})

describe('stamps', () => {
  test('differences survive the end of the 32 bits, to a microsecond', () => {
    const offset = fc.double({ min: -2_000_000, max: 2_000_000, noNaN: true })
    fc.assert(
      fc.property(fc.double({ min: 2_000_000, max: 1e12, noNaN: true }), offset, (at, ms) => {
        const from = instant(at)
        expect(Math.abs(betweenStampsMs(stampOf(from), stampOf(after(from, ms))) - ms)).toBeLessThanOrEqual(0.0021)
      }),
    )
  })
})
