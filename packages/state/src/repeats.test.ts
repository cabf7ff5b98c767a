import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PACKED_BYTES_MAX, pack, unpack } from './repeats.ts'

const random = (length: number, seed: number): Uint8Array => {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 24)
}

describe('what is packed', () => {
  it('is there again, whatever it was', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.constantFrom(0, 1, 2), { maxLength: 400 }).map((all) => Uint8Array.from(all)),
    )
    // A few pieces in any order: these have repeats, near and far, and some that reach into themselves.
    const bytes = fc
      .tuple(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(4), { maxLength: 60 }))
      .map(([pieces, order]) => Uint8Array.from(order.flatMap((at) => [...(pieces[at % pieces.length] ?? [])])))
    fc.assert(
      fc.property(bytes, (each) => {
        expect(unpack(pack(each), each.length)).toEqual(each)
      }),
    )
  })

  it('is there again at the largest size, with repeats from as far back as there can be', () => {
    const start = random(100, 1)
    const bytes = new Uint8Array(PACKED_BYTES_MAX)
    bytes.set(random(PACKED_BYTES_MAX, 2))
    bytes.set(start)
    bytes.set(start, PACKED_BYTES_MAX - start.length)
    expect(unpack(pack(bytes), bytes.length)).toEqual(bytes)
    expect(() => pack(new Uint8Array(PACKED_BYTES_MAX + 1))).toThrow('only short pieces')
  })

  it('holds what its parts repeat of each other once', () => {
    const [frame, parts] = [random(140, 3), 64]
    const bytes = Uint8Array.from(Array.from({ length: parts }, (_, at) => [...frame, ...random(64, at + 10)]).flat())
    expect(pack(bytes).length).toBeLessThan(parts * (64 + 8) + frame.length)
  })

  it('grows by little where there is nothing to take out', () => {
    const bytes = random(10_000, 4)
    expect(pack(bytes).length).toBeLessThan(bytes.length + 100)
  })
})
