import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChannelPacket } from './channel-packet.ts'
import { markNeighbourPacket, readNeighbourPacket, writeNeighbourPacket } from './neighbour-packet.ts'

const number = fc.nat({ max: 2 ** 48 - 1 })
const common = { channel: fc.nat({ max: 2 ** 32 - 1 }), fromOpener: fc.boolean() }
const ranges = fc.array(fc.tuple(fc.nat({ max: 1_000 }), fc.integer({ min: 1, max: 1_000 })), { maxLength: 16 })
const packet: fc.Arbitrary<ChannelPacket> = fc.oneof(
  fc
    .record({
      ...{
        kind: fc.constant('data' as const),
        ...common,
        opening: fc.boolean(),
        sequence: number,
        ahead: fc.nat({ max: 1_000 }),
        endOfStream: fc.boolean(),
      },
      payload: fc.tuple(fc.uint8Array()),
    })
    .map(({ ahead, ...rest }) => ({ ...rest, packet: rest.sequence + ahead })),
  fc.record({ kind: fc.constant('trial' as const), ...common, opening: fc.boolean(), packet: number }),
  fc
    .record({
      ...{
        ...common,
        cumulative: number,
        echo: number,
        delay: fc.nat({ max: 0xffff }),
        windowBytes: fc.nat(),
        marked: fc.boolean(),
        gaps: ranges,
      },
    })
    .map(({ gaps, delay, ...rest }) => {
      let end = rest.cumulative
      const list = gaps.map(([gap, length]) => ({ first: end + gap, end: (end += gap + length) }))
      return { kind: 'ack' as const, ...rest, delayMs: delay / 10, ranges: list }
    }),
)

describe('neighbour packets', () => {
  it('come back as they were, and can be marked on the way', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        const message = writeNeighbourPacket(sent)!
        expect(readNeighbourPacket(message)).toEqual({ packet: sent, marked: false })
        markNeighbourPacket(message)
        expect(readNeighbourPacket(message)).toEqual({ packet: sent, marked: true })
      }),
    )
  })

  it('are small', () => {
    const data = {
      kind: 'data',
      channel: 4_000,
      fromOpener: true,
      opening: false,
      packet: 500,
      sequence: 495,
      endOfStream: false,
    } as const
    expect(writeNeighbourPacket({ ...data, payload: [new Uint8Array(40)] })).toHaveLength(46)
  })

  it('are not what is neither data nor an acknowledgement', () => {
    expect(writeNeighbourPacket({ kind: 'gone', channel: 1, fromOpener: true })).toBeUndefined()
    expect(writeNeighbourPacket({ kind: 'reset', channel: 1, fromOpener: true, reason: 'x' })).toBeUndefined()
  })

  it('takes garbage for garbage', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readNeighbourPacket(bytes)))
    fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => void readNeighbourPacket(Uint8Array.of(0x3c, ...bytes))))
    fc.assert(
      fc.property(packet, fc.nat({ max: 30 }), (sent, cut) => {
        const whole = writeNeighbourPacket(sent)!
        if (sent.kind !== 'data' && cut < whole.length) expect(readNeighbourPacket(whole.subarray(0, cut))).toBeUndefined()
      }),
    )
    // A number that has no end.
    expect(readNeighbourPacket(Uint8Array.of(0x38, 1, ...Array.from({ length: 20 }, () => 255)))).toBeUndefined()
  })
})
