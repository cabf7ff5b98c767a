import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Leb128Reader, leb128Bytes, writeLeb128 } from './leb128.ts'

const numbers = fc.array(fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat()))

test('numbers come back as they were, in as many bytes as was told', () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const bytes = new Uint8Array(values.reduce((sum, value) => sum + leb128Bytes(value), 0))
      expect(values.reduce((at, value) => writeLeb128(bytes, at, value), 0)).toBe(bytes.length)
      const reader = new Leb128Reader(bytes)
      expect(values.map(() => reader.next())).toEqual(values)
      expect(reader).toMatchObject({ sound: true, at: bytes.length })
    }),
  )
})

test('the layout is that of the standard', () => {
  const bytes = new Uint8Array(3)
  expect(writeLeb128(bytes, 0, 624_485)).toBe(3)
  expect([...bytes]).toEqual([0xe5, 0x8e, 0x26])
})

test('what is cut off, or larger than any number of ours, is not sound', () => {
  for (const bytes of [[], [128], [255, 255], Array.from({ length: 20 }, () => 255), [255, 255, 255, 255, 255, 255, 255, 127]]) {
    const reader = new Leb128Reader(Uint8Array.from(bytes))
    reader.next()
    expect(reader.sound).toBe(false)
  }
  const reader = new Leb128Reader(Uint8Array.of(1, 2, 3))
  expect([...reader.take(2)]).toEqual([1, 2])
  reader.take(2)
  expect(reader.sound).toBe(false)
})
