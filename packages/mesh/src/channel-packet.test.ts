import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACK_RANGES_MAX, type ChannelPacket, channelPacketBytes, readChannelPacket, writeChannelPacket } from './channel-packet.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const common = { channel: u32, fromOpener: fc.boolean() }
const ranges = fc.array(fc.record({ first: u48, end: u48 }), { maxLength: ACK_RANGES_MAX })

const packet: fc.Arbitrary<ChannelPacket> = fc.oneof(
  fc.record({
    kind: fc.constant('data' as const),
    ...common,
    opening: fc.boolean(),
    endOfStream: fc.boolean(),
    packet: u48,
    sequence: u48,
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => [bytes]),
  }),
  fc
    .record({
      kind: fc.constant('datagram' as const),
      ...common,
      packet: u48,
      sequence: u48,
      fragment: fc.nat(255),
      fragments: fc.nat(255),
      payload: fc.uint8Array({ maxLength: 300 }),
    })
    .filter(({ fragment, fragments }) => fragment < fragments),
  fc.record({ kind: fc.constant('trial' as const), ...common, opening: fc.boolean(), packet: u48 }),
  fc.record({
    kind: fc.constant('ack' as const),
    ...common,
    cumulative: u48,
    echo: u48,
    delayMs: fc.integer({ min: 0, max: 65535 }).map((n) => n / 10),
    windowBytes: u32,
    marked: fc.boolean(),
    ranges,
  }),
  fc.record({ kind: fc.constant('reset' as const), ...common, reason: fc.stringMatching(/^[ -~]{0,100}$/) }),
  fc.record({ kind: fc.constant('gone' as const), ...common }),
)

describe('channel packets', () => {
  it('survive the wire', () => {
    fc.assert(
      fc.property(packet, (original) => {
        const bytes = new Uint8Array(5 + channelPacketBytes(original))
        writeChannelPacket(bytes, 5, original)
        expect(readChannelPacket(bytes.subarray(5))).toEqual(original)
      }),
    )
  })

  it('never throw on what is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void readChannelPacket(bytes)),
      { numRuns: 2000 },
    )
  })
})
