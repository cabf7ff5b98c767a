import { expect, test } from 'vitest'
import { AEAD_TAG_BYTES } from '@causeway/protocol'
import { createNodeCrypto, createVerifier, generateKeyPair } from './node-crypto.ts'

const keys = generateKeyPair()
const crypto = createNodeCrypto(keys.seed)
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

test('X25519 agrees with RFC 7748, 6.1, and refuses keys of low order', () => {
  const alice = bytes('77076d0a7318a57d3c16c17251b26645f4c7f3c6c6a1b1a3c8d8e2f2d7d6c2ba')
  const bob = bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
  const bobPublic = bytes('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  expect(crypto.publicKey(bob)).toEqual(bobPublic)
  const secret = crypto.agree(alice, bobPublic)
  expect(secret).toEqual(crypto.agree(bob, crypto.publicKey(alice)))
  expect(crypto.agree(alice, new Uint8Array(32))).toBeUndefined()
  expect(crypto.agree(alice, new Uint8Array(31))).toBeUndefined()
})

test('HMAC-SHA-256 is that of RFC 4231, test case 2', () => {
  const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  expect(crypto.mac(Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'))).toEqual(bytes(expected))
})

test('AES-256-GCM is that of the GCM specification, test case 14', () => {
  const sealed = new Uint8Array(16 + AEAD_TAG_BYTES)
  crypto.aead(new Uint8Array(32)).seal(0, new Uint8Array(0), sealed, 0, 16)
  expect(sealed).toEqual(bytes('cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919'))
})

test('what was sealed opens only with its counter and associated data, unchanged', () => {
  const aead = crypto.aead(crypto.randomBytes(32))
  const associated = Uint8Array.of(1, 2, 3)
  const counter = 2 ** 40 + 5
  const buffer = new Uint8Array(10 + 5 + AEAD_TAG_BYTES).fill(7)
  aead.seal(counter, associated, buffer, 10, 15)
  expect(buffer.subarray(0, 10)).toEqual(new Uint8Array(10).fill(7))
  const sealed = buffer.subarray(10)
  expect(new Uint8Array(aead.open(counter, associated, sealed) ?? [])).toEqual(new Uint8Array(5).fill(7))
  expect(aead.open(counter + 2 ** 32, associated, sealed)).toBeUndefined()
  expect(aead.open(counter, Uint8Array.of(1, 2), sealed)).toBeUndefined()
  expect(aead.open(counter, associated, sealed.subarray(1))).toBeUndefined()
  expect(aead.open(counter, associated, new Uint8Array(3))).toBeUndefined()
  for (let i = 0; i < sealed.length; i++) {
    const changed = Uint8Array.from(sealed)
    changed[i] = (changed[i] ?? 0) ^ 1
    expect(aead.open(counter, associated, changed)).toBeUndefined()
  }
})

test('a signature of this node is found good with its key', () => {
  const message = Buffer.from('causeway')
  expect(createVerifier().verify(keys.publicKey, message, crypto.sign(message))).toBe(true)
  expect(createVerifier().verify(generateKeyPair().publicKey, message, crypto.sign(message))).toBe(false)
})
