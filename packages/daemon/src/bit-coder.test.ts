import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BitCoder } from './bit-coder.ts'

const ROOM = 64 * 1024
const decision = fc.oneof(
  fc.record({ chance: fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom(1, 24, 32_768, 65_535)), bit: fc.constantFrom(0, 1) }),
  fc.record({ byte: fc.nat({ max: 255 }) }),
)

function written(decisions: readonly ({ chance: number; bit: number } | { byte: number })[]): Uint8Array {
  const coder = new BitCoder()
  coder.write(ROOM)
  for (const each of decisions)
    if ('byte' in each) coder.byte(each.byte)
    else coder.bit(each.chance, each.bit)
  return coder.finish()
}

describe('BitCoder', () => {
  it('gives back every decision, and never begins with 0xFF', () => {
    fc.assert(
      fc.property(fc.array(decision, { maxLength: 2_000 }), (decisions) => {
        const bytes = written(decisions)
        expect(bytes.length).toBeGreaterThan(0)
        expect(bytes[0]).not.toBe(0xff)
        const coder = new BitCoder()
        coder.read(bytes)
        for (const each of decisions) {
          if ('byte' in each) expect(coder.byte(0)).toBe(each.byte)
          else expect(coder.bit(each.chance, 0)).toBe(each.bit)
        }
      }),
    )
  })

  it('takes as many bits as the outcomes were unlikely', () => {
    const likely = Array.from({ length: 8_000 }, () => ({ chance: 65_000, bit: 1 }))
    const bits = 8_000 * -Math.log2(65_000 / 65_536)
    expect(written(likely).length).toBeLessThan(bits / 8 + 2)
    expect(written(Array.from({ length: 1_000 }, (_, n) => ({ byte: (n * 7) % 256 }))).length).toBeLessThan(1_003)
  })

  it('reads something out of whatever it is given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.array(decision, { maxLength: 300 }), (garbage, decisions) => {
        const coder = new BitCoder()
        coder.read(garbage)
        for (const each of decisions) {
          const value = 'byte' in each ? coder.byte(0) : coder.bit(each.chance, 0)
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThan('byte' in each ? 256 : 2)
        }
      }),
    )
  })
})
