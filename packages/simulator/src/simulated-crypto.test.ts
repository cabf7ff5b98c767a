import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SeededRandom, checkCredential, hex } from '@causeway/protocol'
import { SIMULATED_AUTHORITY, mixingHash, simulatorCredential, simulatorCrypto, simulatorKeyPair } from './simulated-crypto.ts'

const crypto = simulatorCrypto(new SeededRandom(1))

describe('simulated cryptography', () => {
  test('a signature is good for its key and message only', () => {
    const [a, b] = [simulatorKeyPair('a'), simulatorKeyPair('b')]
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.nat(), fc.nat(7), (message, at, bit) => {
        const signature = a.sign(message)
        expect(signature).toHaveLength(64)
        expect(crypto.verify(a.publicKey, message, signature)).toBe(true)
        expect(crypto.verify(b.publicKey, message, signature)).toBe(false)
        const changed = message.slice()
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ (1 << bit)
        expect(crypto.verify(a.publicKey, changed, signature)).toBe(false)
        expect(crypto.verify(a.publicKey, message, signature.subarray(1))).toBe(false)
      }),
    )
  })

  test('the hash does not collide on 200,000 near messages, and changes half its bits', () => {
    const seen = new Set<string>()
    const bytes = new Uint8Array(6)
    for (let i = 0; i < 200_000; i++) {
      new DataView(bytes.buffer).setUint32(2, i)
      seen.add(hex(mixingHash(bytes)).slice(0, 20))
    }
    expect(seen.size).toBe(200_000)
    let flipped = 0
    const [x, y] = [mixingHash(Uint8Array.of(1, 2, 3)), mixingHash(Uint8Array.of(1, 2, 2))]
    for (let i = 0; i < 32; i++) for (let bit = 0; bit < 8; bit++) if ((((x[i] ?? 0) ^ (y[i] ?? 0)) >> bit) & 1) flipped++
    expect(Math.abs(flipped - 128)).toBeLessThan(40)
  })

  test('a credential passes the real check, and only with its own key', () => {
    const credential = simulatorCredential({ name: 'hkg-1-a', site: 'hkg-1', role: 'edge' })
    const trust = { authorityKey: SIMULATED_AUTHORITY.publicKey, wallMs: 1 }
    expect(checkCredential(crypto, credential, { ...trust, peerKey: simulatorKeyPair('hkg-1-a').publicKey })).toMatchObject({ ok: true })
    expect(checkCredential(crypto, credential, { ...trust, peerKey: simulatorKeyPair('hkg-1-b').publicKey })).toMatchObject({ ok: false })
  })
})
