import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SessionPacker } from './session-codec.ts'

const MESSAGE_BYTES_MAX = 1024 * 1024

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

describe('SessionPacker', () => {
  it('gives back every message, whole and in order', () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 2_000 }).map(text),
      fc.nat({ max: 200_000 }).map((n) => new Uint8Array(n)),
    )
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const [one, other] = [new SessionPacker(MESSAGE_BYTES_MAX), new SessionPacker(MESSAGE_BYTES_MAX)]
        for (const each of messages) expect(Buffer.from(other.unpack(one.pack(each))!).equals(each)).toBe(true)
        one.close()
        other.close()
      }),
      { numRuns: 50 },
    )
  })

  it('takes what was said before into account, whichever way it went, within 32 KiB', () => {
    const codec = new SessionPacker(MESSAGE_BYTES_MAX)
    const noise = randomBytes(1_000)
    expect(codec.pack(noise).length).toBeGreaterThan(1_000)
    expect(codec.pack(noise).length).toBeLessThan(30)
    codec.pack(randomBytes(70_000))
    expect(codec.pack(noise).length).toBeGreaterThan(1_000)
    const long = randomBytes(10_000)
    expect(codec.pack(long).length).toBeGreaterThan(10_000)
    expect(codec.pack(long.subarray(0, 4_000)).length).toBeLessThan(60)
  })

  it('packs a changed record into little more than what is new in it', () => {
    const record = (n: number): Uint8Array =>
      Buffer.concat([
        text(JSON.stringify({ kind: 'transcode', phase: n % 3 === 0 ? 'running' : 'draining', gen: n, fps: 30 })),
        randomBytes(64),
      ])
    const one = new SessionPacker(MESSAGE_BYTES_MAX)
    const sizes = Array.from({ length: 200 }, (_, n) => one.pack(record(n)).length).slice(50)
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeLessThan(70)
  })

  it('takes the quicker way when there is much to say, and goes back', () => {
    let now = 0
    const [one, other] = [new SessionPacker(MESSAGE_BYTES_MAX, () => now), new SessionPacker(MESSAGE_BYTES_MAX)]
    const message = randomBytes(1_000)
    const kinds: boolean[] = []
    for (let n = 0; n < 60; n++) {
      if (n === 50) now += 1_000
      const packed = one.pack(message)
      kinds.push(packed[0] === 0xff)
      expect(Buffer.from(other.unpack(packed)!).equals(message)).toBe(true)
    }
    expect(kinds.lastIndexOf(false, 49)).toBe(31)
    expect(kinds.slice(32, 50)).toEqual(Array.from({ length: 18 }, () => true))
    expect(kinds[50]).toBe(false)
  })

  it('unpacks nothing that is longer than a message may be', () => {
    const [one, other] = [new SessionPacker(MESSAGE_BYTES_MAX), new SessionPacker(MESSAGE_BYTES_MAX)]
    const bomb = one.pack(new Uint8Array(100 * MESSAGE_BYTES_MAX))
    expect(bomb.length).toBeLessThan(20_000)
    expect(other.unpack(bomb)).toBeUndefined()
    expect(other.unpack(one.pack(text('afterwards')))).toBeUndefined()
  })

  it('refuses a window that is larger than ours, and what comes after an end', () => {
    const wide = zstdCompressSync(randomBytes(500_000), {
      params: { [constants.ZSTD_c_windowLog]: 22, [constants.ZSTD_c_contentSizeFlag]: 0 },
    })
    const bulk = (packed: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(0xff), packed])
    expect(new SessionPacker(MESSAGE_BYTES_MAX).unpack(bulk(wide))).toBeUndefined()
    const ended = Buffer.concat([zstdCompressSync('one'), zstdCompressSync('two')])
    expect(new SessionPacker(MESSAGE_BYTES_MAX).unpack(bulk(ended))).toBeUndefined()
  })

  it('takes garbage for a fault, never throws, and stays faulty', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 200 }), fc.boolean(), (noise, bulk) => {
        const garbage = bulk ? Uint8Array.of(0xff, ...noise) : noise
        const codec = new SessionPacker(MESSAGE_BYTES_MAX)
        const unpacked = codec.unpack(garbage)
        expect(unpacked === undefined || unpacked.length <= MESSAGE_BYTES_MAX).toBe(true)
        codec.close()
        expect(codec.unpack(garbage)).toBeUndefined()
      }),
    )
  })
})
