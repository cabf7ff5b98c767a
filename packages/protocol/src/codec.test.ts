import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord } from './codec.ts'

describe('record codec', () => {
  test('round trip of JSON-like values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('__proto__'))
        expect(JSON.stringify(decodeRecord(encodeRecord(value)))).toBe(text)
      }),
    )
  })

  test('bytes come back as plain Uint8Arrays, not as something whose slice() is a view', () => {
    const decoded = decodeRecord(encodeRecord({ bytes: Uint8Array.of(1, 2, 3) })) as { bytes: Uint8Array }
    expect(Object.getPrototypeOf(decoded.bytes)).toBe(Uint8Array.prototype)
    expect(decoded.bytes).toEqual(Uint8Array.of(1, 2, 3))
  })

  test('what was encoded does not change when something else is', () => {
    const first = encodeRecord({ a: 1 })
    const copy = first.slice()
    for (let i = 0; i < 100; i++) encodeRecord({ b: i })
    expect(first).toEqual(copy)
    expect(first.buffer.byteLength).toBe(first.length)
  })

  test('trailing bytes, cut bytes and lies about lengths are refused', () => {
    const good = encodeRecord({ a: [1, 2, 3] })
    expect(decodeRecord(Uint8Array.of(...good, 0))).toBeUndefined()
    expect(decodeRecord(good.subarray(0, -1))).toBeUndefined()
    expect(decodeRecord(new Uint8Array())).toBeUndefined()
    for (const token of [0xdd, 0xdf, 0xc6, 0xdb, 0xc9])
      expect(decodeRecord(Uint8Array.of(token, 0xff, 0xff, 0xff, 0xff, 1))).toBeUndefined()
  })

  test('nothing that was decoded changes how the next thing is decoded', () => {
    const value = { small: [0x40, 0x41, 0x7f], text: 'x', map: { a: 1 } }
    const good = encodeRecord(value)
    // msgpackr's record extension would make the small integers from 0x40 stand for objects.
    decodeRecord(Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01))
    expect(decodeRecord(good)).toEqual(value)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeRecord(bytes)
        expect(decodeRecord(good)).toEqual(value)
      }),
      { numRuns: 3000 },
    )
  })
})
