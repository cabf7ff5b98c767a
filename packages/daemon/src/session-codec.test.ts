import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZstdSessionCodec } from './session-codec.ts'

const MESSAGE_BYTES_MAX = 1024 * 1024

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

describe('ZstdSessionCodec', () => {
  it('gives back every message, whole and in order', () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 2_000 }).map(text),
      fc.nat({ max: 200_000 }).map((n) => new Uint8Array(n)),
    )
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const [one, other] = [new ZstdSessionCodec(MESSAGE_BYTES_MAX), new ZstdSessionCodec(MESSAGE_BYTES_MAX)]
        for (const each of messages) expect(Buffer.from(other.unpack(one.pack(each))!).equals(each)).toBe(true)
        one.close()
        other.close()
      }),
      { numRuns: 50 },
    )
  })

  it('takes what was said before into account, within 64 KiB', () => {
    const codec = new ZstdSessionCodec(MESSAGE_BYTES_MAX)
    const noise = randomBytes(1_000)
    expect(codec.pack(noise).length).toBeGreaterThan(1_000)
    expect(codec.pack(noise).length).toBeLessThan(30)
    codec.pack(randomBytes(70_000))
    expect(codec.pack(noise).length).toBeGreaterThan(1_000)
  })

  it('unpacks nothing that is longer than a message may be', () => {
    const [one, other] = [new ZstdSessionCodec(MESSAGE_BYTES_MAX), new ZstdSessionCodec(MESSAGE_BYTES_MAX)]
    const bomb = one.pack(new Uint8Array(100 * MESSAGE_BYTES_MAX))
    expect(bomb.length).toBeLessThan(20_000)
    expect(other.unpack(bomb)).toBeUndefined()
    expect(other.unpack(one.pack(text('afterwards')))).toBeUndefined()
  })

  it('refuses a window that is larger than ours, and what comes after an end', () => {
    const wide = zstdCompressSync(randomBytes(500_000), {
      params: { [constants.ZSTD_c_windowLog]: 22, [constants.ZSTD_c_contentSizeFlag]: 0 },
    })
    expect(new ZstdSessionCodec(MESSAGE_BYTES_MAX).unpack(wide)).toBeUndefined()
    const ended = Buffer.concat([zstdCompressSync('one'), zstdCompressSync('two')])
    expect(new ZstdSessionCodec(MESSAGE_BYTES_MAX).unpack(ended)).toBeUndefined()
  })

  it('takes garbage for a fault, never throws, and stays faulty', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 200 }), (garbage) => {
        const codec = new ZstdSessionCodec(MESSAGE_BYTES_MAX)
        const unpacked = codec.unpack(garbage)
        expect(unpacked === undefined || unpacked.length <= MESSAGE_BYTES_MAX).toBe(true)
        codec.close()
        expect(codec.unpack(garbage)).toBeUndefined()
      }),
    )
  })
})
