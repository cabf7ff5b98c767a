import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  STAMP_BYTES,
  isStampSize,
  readReflectorPacket,
  readSenderPacket,
  stampReply,
  writeReply,
  writeSenderPacket,
} from './stamp-packet.ts'

const CLOCK = { synchronised: true, format: 'ntp', errorMs: 250 } as const
/** Half a second into 1970. */
const SENT = { sequence: 7, sentAt: 500, clock: CLOCK, ssid: 0xbeef }

/** By hand, from the figures of RFC 8762, 4.2.1 and RFC 8972, 3. */
const REQUEST = ['00000007', '83aa7e8080000000', '9780', 'beef', '00'.repeat(28)].join('')
/** By hand, from RFC 8762, 4.3.1: the reflector's 3, sent at 2 s, not synchronised, received at 1 s. */
const REPLY = [
  '00000003',
  '83aa7e8200000000',
  '0f80',
  'beef',
  '83aa7e8100000000',
  '00000007',
  '83aa7e8080000000',
  '9780',
  'beef',
  '00',
  '000000',
].join('')
const REFLECTION = { sequence: 3, receivedAt: 1000, clock: { synchronised: false, format: 'ntp', errorMs: 0.9765625 } } as const

function reflected(request: Uint8Array): Uint8Array {
  const reply = writeReply(request, REFLECTION)
  stampReply(reply, 2000)
  return reply
}

const hex = (...parts: readonly string[]): Uint8Array => Uint8Array.from(Buffer.from(parts.join(''), 'hex'))
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a request', () => {
  it('is what the RFC draws', () => {
    expect(text(writeSenderPacket(STAMP_BYTES, SENT))).toBe(REQUEST)
    expect(readSenderPacket(hex(REQUEST))).toEqual(SENT)
  })

  it('is made longer by an Extra Padding TLV, marked as not understood until somebody does', () => {
    expect(text(writeSenderPacket(48, SENT))).toBe(`${REQUEST}80010000`)
    expect(text(writeSenderPacket(51, SENT))).toBe(`${REQUEST}80010003000000`)
    expect([43, 44, 45, 47, 48, 1500].map(isStampSize)).toEqual([false, true, false, false, true, true])
  })
})

describe('a reply', () => {
  it('is what the RFC draws, with the words of the request', () => {
    // The two bytes after the sender's error estimate are the reflector's own zeros.
    const expected = REPLY.replace(/beef(00000000)$/, '0000$1')
    expect(text(reflected(hex(REQUEST)))).toBe(expected)
    expect(readReflectorPacket(hex(expected))).toEqual({
      sequence: 3,
      transmittedAt: 2000,
      receivedAt: 1000,
      clock: REFLECTION.clock,
      ssid: 0xbeef,
      sender: { sequence: 7, sentAt: 500, clock: CLOCK },
      ttl: 0,
    })
  })

  it.each([
    ['padding is understood and returned', '80010003aabbcc', '00010003aabbcc'],
    ['an unknown type is marked', '00f10002aabb', '80f10002aabb'],
    ['each of several is judged for itself', '80010001aa00f10000', '00010001aa80f10000'],
    ['a length beyond the end is malformed', '80010009aa', '40010009aa'],
    ['flags of the reflector are not taken from the sender', 'e0010000', '00010000'],
    ['padding that is no TLV stays as it is', '000000000000aabb', '000000000000aabb'],
    ['too few bytes for a TLV stay as they are', '8001', '8001'],
  ])('%s', (_title, there, back) => {
    const reply = reflected(hex(REQUEST, there))
    expect(text(reply.subarray(STAMP_BYTES))).toBe(back)
  })

  it('is exactly as long as the request, whatever that is, and what is too short is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const request = readSenderPacket(bytes)
        if (bytes.length < STAMP_BYTES) expect(request).toBeUndefined()
        if (!request) return
        const reply = reflected(bytes)
        expect(reply.length).toBe(bytes.length)
        expect(readReflectorPacket(reply)?.sender.sequence).toBe(request.sequence)
      }),
    )
  })
})

/** A fraction of a second has 32 bits. */
const near = (wallMs: number): number => expect.closeTo(wallMs, 3) as number

it('any packet comes through both ways', () => {
  const packet = fc.record({
    sequence: fc.nat(0xffffffff),
    sentAt: fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
    ssid: fc.nat(0xffff),
  })
  fc.assert(
    fc.property(packet, fc.integer({ min: 48, max: 1500 }), (fields, bytes) => {
      const request = writeSenderPacket(bytes, { ...fields, clock: CLOCK })
      expect(request.length).toBe(bytes)
      expect(readSenderPacket(request)).toEqual({ ...fields, clock: CLOCK, sentAt: near(fields.sentAt) })
      expect(readReflectorPacket(reflected(request))).toMatchObject({
        ssid: fields.ssid,
        sender: { sequence: fields.sequence, sentAt: near(fields.sentAt) },
      })
    }),
  )
})
