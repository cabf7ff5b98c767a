import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readHandshake, sealedBytes, sealedCounter, sealedIndex, writeHandshake, writeSealedHeader } from './association-packet.ts'

const index = fc.integer({ min: 1, max: 0xffff_ffff })

describe('the body of a frame', () => {
  it('has a sealed header of ten bytes, for any index and counter', () => {
    const body = new Uint8Array(sealedBytes(3))
    writeSealedHeader(body, 0, 0x01020304, 0x0506_0708_090a)
    expect([...body]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...new Array<number>(19).fill(0)])
    fc.assert(
      fc.property(index, fc.integer({ min: 0, max: 2 ** 48 - 1 }), (index, counter) => {
        writeSealedHeader(body, 0, index, counter)
        expect([sealedIndex(body), sealedCounter(body)]).toEqual([index, counter])
      }),
    )
  })

  it('carries the messages of a handshake as they are', () => {
    const noise = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(fc.constantFrom('first', 'second', 'third', 'unknown'), index, index, noise, (kind, a, b, noise) => {
        const packet = { kind, sender: kind === 'unknown' ? 0 : a, receiver: kind === 'first' ? 0 : b, noise }
        const body = writeHandshake(packet)
        expect(sealedIndex(body)).toBe(0)
        expect(readHandshake(body)).toEqual(packet)
      }),
    )
    const body = writeHandshake({ kind: 'second', sender: 0x01020304, receiver: 0x05060708, noise: Uint8Array.of(9) })
    expect([...body]).toEqual([0, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('is refused where it is too short, too long, of no kind, or with indices that its kind has not', () => {
    const noise = new Uint8Array(32)
    const first = writeHandshake({ kind: 'first', sender: 1, receiver: 0, noise })
    expect(readHandshake(first.subarray(0, 47))).toBeUndefined()
    expect(readHandshake(Uint8Array.from([...first, 0]))).toBeUndefined()
    expect(readHandshake(first.with(4, 0))).toBeUndefined()
    expect(readHandshake(first.with(4, 5))).toBeUndefined()
    expect(readHandshake(first.with(11, 0))).toBeUndefined()
    expect(readHandshake(first.with(15, 1))).toBeUndefined()
    expect(readHandshake(first.with(4, 2))).toBeUndefined()
    expect(readHandshake(writeHandshake({ kind: 'third', sender: 1, receiver: 2, noise: new Uint8Array(16_385) }))).toBeUndefined()
    expect(sealedIndex(new Uint8Array(15))).toBeUndefined()
    expect(sealedIndex(new Uint8Array(25).fill(1))).toBeUndefined()
    expect(sealedIndex(new Uint8Array(26).fill(1))).toBe(0x01010101)
  })
})
