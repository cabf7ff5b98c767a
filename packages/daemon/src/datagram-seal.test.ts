import { createCipheriv, randomBytes } from 'node:crypto'
import { ChaCha20Poly1305, newInstance } from '@chainsafe/as-chacha20poly1305'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SEAL_BYTES, counterOf, indexOf, open, seal } from './datagram-seal.ts'

const key = new Uint8Array(randomBytes(32))
const index = fc.integer({ min: 0, max: 0xffff_ffff })
const message = fc.uint8Array({ maxLength: 300 })

/** The documented layout, by another implementation (OpenSSL). */
function sealByOpenssl(index: number, counter: number, message: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(index)
  header.writeUInt32BE(counter % 2 ** 32, 4)
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(counter), 4)
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  cipher.setAAD(header, { plaintextLength: message.length })
  return new Uint8Array(Buffer.concat([header, cipher.update(message), cipher.final(), cipher.getAuthTag()]))
}

describe('the seal of a datagram', () => {
  it('is byte for byte what OpenSSL makes of the same layout', () => {
    fc.assert(
      fc.property(index, fc.maxSafeNat(), fc.uint8Array({ maxLength: 1_300 }), (index, counter, message) => {
        expect(Uint8Array.from(seal(key, index, counter, message))).toEqual(sealByOpenssl(index, counter, message))
      }),
    )
  })

  it('opens to what was sealed, whatever the counter, and costs 24 bytes', () => {
    fc.assert(
      fc.property(index, fc.maxSafeNat(), message, (index, counter, message) => {
        const packet = seal(key, index, counter, message)
        expect(packet).toHaveLength(message.length + 24)
        expect(indexOf(packet)).toBe(index)
        expect(open(key, counter, packet)).toEqual(message)
      }),
    )
  })

  it('leaves what it sealed and opened alone when it does the next', () => {
    const sealed = [1, 2].map((byte) => seal(key, 7, byte, new Uint8Array(18).fill(byte)))
    const opened = sealed.map((packet, at) => open(key, at + 1, packet))
    expect(opened).toEqual([new Uint8Array(18).fill(1), new Uint8Array(18).fill(2)])
  })

  it('breaks when any one bit is changed', () => {
    fc.assert(
      fc.property(message, fc.nat(), (message, at) => {
        const packet = seal(key, 7, 1, message)
        const bit = at % (8 * packet.length)
        packet[bit >> 3] = (packet[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(open(key, 1, packet)).toBeUndefined()
      }),
    )
  })

  it('does not open under a counter that differs in the half that does not travel', () => {
    expect(open(key, 5 + 2 ** 32, seal(key, 7, 5, new Uint8Array(3)))).toBeUndefined()
    expect(SEAL_BYTES).toBe(24)
  })

  it('completes a counter from the newest one, up to 2³¹ away on either side (RFC 9000, A.3)', () => {
    const near = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 })
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 2 ** 52 }), near, (newest, away) => {
        const counter = newest + 1 + away
        fc.pre(counter >= 0)
        expect(counterOf(seal(key, 7, counter, new Uint8Array(0)), newest)).toBe(counter)
      }),
    )
  })
})

describe('the cipher under it', () => {
  /** RFC 8439, 2.8.2. */
  const vector = {
    key: Uint8Array.from({ length: 32 }, (_, at) => 0x80 + at),
    nonce: Buffer.from('070000004041424344454647', 'hex'),
    header: Buffer.from('50515253c0c1c2c3c4c5c6c7', 'hex'),
    text: Buffer.from("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."),
    sealed: Buffer.from(
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
        '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
        '3ff4def08e4b7a9de576d26586cec64b6116' +
        '1ae10b594f09e26a7e902ecbd0600691',
      'hex',
    ),
  }
  const cipher = new ChaCha20Poly1305(newInstance())

  it('seals and opens the example of RFC 8439', () => {
    const { key, nonce, header, text, sealed } = vector
    expect(Buffer.from(cipher.seal(key, nonce, text, header))).toEqual(sealed)
    expect(Buffer.from(cipher.open(key, nonce, sealed, header) ?? [])).toEqual(text)
  })

  it('refuses it with any one bit of its tag changed', () => {
    const { key, nonce, header, sealed } = vector
    for (let bit = 0; bit < 128; bit++) {
      const forged = Buffer.from(sealed)
      const at = sealed.length - 16 + (bit >> 3)
      forged[at] = (forged[at] ?? 0) ^ (1 << (bit & 7))
      expect(cipher.open(key, nonce, forged, header)).toBeNull()
    }
  })
})
