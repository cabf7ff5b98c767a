import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BitReader, BitWriter, bitLength } from './bit-stream.ts'

const piece = fc.oneof(
  fc.record({ type: fc.constant('bits' as const), value: fc.nat(2 ** 32 - 1), count: fc.integer({ min: 0, max: 32 }) }),
  fc.record({ type: fc.constant('number' as const), value: fc.nat(2 ** 52), order: fc.integer({ min: 0, max: 48 }) }),
  fc.record({ type: fc.constant('text' as const), value: fc.stringMatching(/^[ -~]{0,40}$/) }),
)

test('what was written is read, in order, and nothing is left', () => {
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const out = new BitWriter()
      for (const one of pieces) {
        if (one.type === 'bits') out.bits(one.value % 2 ** one.count, one.count)
        else if (one.type === 'number') out.number(one.value, one.order)
        else out.text(one.value)
      }
      const from = new BitReader(out.bytes())
      for (const one of pieces) {
        if (one.type === 'bits') expect(from.bits(one.count)).toBe(one.value % 2 ** one.count)
        else if (one.type === 'number') expect(from.number(one.order)).toBe(one.value)
        else expect(from.text(40)).toBe(one.value)
      }
      expect(from.finished).toBe(true)
    }),
  )
})

test('a number takes what its code says', () => {
  for (const [value, order, length] of [
    [0, 0, 1],
    [1, 0, 3],
    [2, 0, 3],
    [3, 0, 5],
    [7, 3, 4],
    [8, 3, 6],
  ] as const) {
    const out = new BitWriter()
    out.number(value, order)
    expect(out.length, `${value} of order ${order}`).toBe(length)
  }
})

test('the length of a number, across the 32nd bit too', () => {
  for (let bits = 1; bits <= 53; bits++) {
    expect(bitLength(2 ** (bits - 1))).toBe(bits)
    expect(bitLength(2 ** bits - 1)).toBe(bits)
  }
  expect(bitLength(0)).toBe(0)
})

test('what ends too early, is no number or is too long breaks the reader, and it reads zeros from then on', () => {
  const short = new BitReader(new Uint8Array([0xff]))
  expect(short.bits(9)).toBe(0)
  expect([short.broken, short.finished, short.bits(1)]).toEqual([true, false, 0])
  const endless = new BitReader(new Uint8Array(20))
  expect([endless.number(0), endless.broken]).toEqual([0, true])
  const out = new BitWriter()
  out.text('abcd')
  const long = new BitReader(out.bytes())
  expect([long.text(3), long.broken]).toEqual(['', true])
  const more = new BitReader(new Uint8Array(2))
  more.bits(7)
  expect(more.finished).toBe(false)
})
