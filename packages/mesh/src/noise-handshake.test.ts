import { type Crypto } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNodeCrypto, generateKeyPair } from '../../../test/contract/real-crypto.ts'
import { NoiseHandshake, type NoiseKeyPair, generateNoiseKeyPair } from './noise-handshake.ts'

const crypto = createNodeCrypto(generateKeyPair().seed)
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')

/** From the test vectors of cacophony (vectors/cacophony.txt), "Noise_XX_25519_AESGCM_SHA256". */
const VECTOR = {
  prologue: '4a6f686e2047616c74',
  initiator: {
    static: 'e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1',
    ephemeral: '893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a',
  },
  responder: {
    static: '4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893',
    ephemeral: 'bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b',
  },
  hash: '1b7aefb1125762aa21a252890d00af54519638b76437444538f9a52f21e2e0dc',
  /** Payload and what goes over the wire. */
  handshake: [
    [
      '4c756477696720766f6e204d69736573',
      'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573',
    ],
    [
      '4d757272617920526f746862617264',
      '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843757117acceb05bd7a45733bc22015c97a9d0cbaf41b80446d5988ff5127235d76b79eade70f473d6a4ef521fdcbeda5340d01e028ba793fc059f2724a83af05f12dda0448a7621a926b379a92477fd',
    ],
    [
      '462e20412e20486179656b',
      'c90f1cf77eba4e50edb038991565e36c9758943a989229b6051244dc4fbecb6946744b401af2ee1a5881b65fbb87fd07cb6a328ececc9ce6ce84c399dc332d4fd521fa4bb7f467ce909395',
    ],
  ],
  /** The responder's first, then in turn. */
  transport: [
    ['4361726c204d656e676572', 'bc3fa77f6aca3e8466d7dc6bea10013e88a6a29add5132b461806c'],
    ['4a65616e2d426170746973746520536179', '250b01074cdfe0df2ecf8ccbf1737b15a2ddb5b52fd9a396604e9c793cee3b3bb9'],
    ['457567656e2042f6686d20766f6e2042617765726b', '449d4d433b3cdc3d02bf6fc881774b9df54366ebcffb9689bb13f14709822cd7ef42bcdb4d'],
  ],
} as const

function keyPair(privateKey: Uint8Array): NoiseKeyPair {
  return { privateKey, publicKey: crypto.publicKey(privateKey) }
}

function vectorEnd(role: 'initiator' | 'responder'): NoiseHandshake {
  const keys = VECTOR[role]
  const fixed: Crypto = { ...crypto, randomBytes: () => bytes(keys.ephemeral) }
  return new NoiseHandshake({
    crypto: fixed,
    initiator: role === 'initiator',
    prologue: bytes(VECTOR.prologue),
    staticKey: keyPair(bytes(keys.static)),
  })
}

function ends(prologues: [string, string] = ['same', 'same']): { initiator: NoiseHandshake; responder: NoiseHandshake } {
  const end = (initiator: boolean, prologue: string): NoiseHandshake =>
    new NoiseHandshake({ crypto, initiator, prologue: Buffer.from(prologue), staticKey: generateNoiseKeyPair(crypto) })
  return { initiator: end(true, prologues[0]), responder: end(false, prologues[1]) }
}

describe('NoiseHandshake', () => {
  it('writes, reads and seals what the published vectors say', () => {
    const initiator = vectorEnd('initiator')
    const responder = vectorEnd('responder')
    VECTOR.handshake.forEach(([payload, message], step) => {
      const [writer, reader] = step % 2 === 0 ? [initiator, responder] : [responder, initiator]
      expect(text(writer.write(bytes(payload)))).toBe(message)
      expect(text(reader.read(bytes(message)))).toBe(payload)
    })
    expect(text(initiator.hash)).toBe(VECTOR.hash)
    expect(text(responder.hash)).toBe(VECTOR.hash)
    expect(text(initiator.theirStatic)).toBe(text(crypto.publicKey(bytes(VECTOR.responder.static))))
    expect(text(responder.theirStatic)).toBe(text(crypto.publicKey(bytes(VECTOR.initiator.static))))
    const [ofInitiator, ofResponder] = [initiator.split(), responder.split()]
    VECTOR.transport.forEach(([payload, sealed], i) => {
      const [sender, receiver] = i % 2 === 0 ? [ofResponder, ofInitiator] : [ofInitiator, ofResponder]
      const counter = Math.floor(i / 2)
      const buffer = new Uint8Array(sealed.length / 2)
      buffer.set(bytes(payload))
      sender.send.seal(counter, new Uint8Array(0), buffer, 0, payload.length / 2)
      expect(text(buffer)).toBe(sealed)
      expect(text(receiver.receive.open(counter, new Uint8Array(0), buffer))).toBe(payload)
    })
  })

  it('opens nothing of a handshake with another prologue', () => {
    const { initiator, responder } = ends(['causeway/1', 'causeway/2'])
    responder.read(initiator.write(new Uint8Array(0))!)
    expect(initiator.read(responder.write(new Uint8Array(0))!)).toBeUndefined()
  })

  it('a fork that failed leaves the handshake as it was, whatever was read', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, mask, cut) => {
        const { initiator, responder } = ends()
        responder.read(initiator.write(new Uint8Array(0))!)
        const second = responder.write(Buffer.from('second'))!
        const forged = spoil(second, at, mask, cut)
        expect(initiator.fork().read(forged)).toBeUndefined()
        expect(text(initiator.read(second))).toBe(text(Buffer.from('second')))
        const third = initiator.write(Buffer.from('third'))!
        expect(responder.fork().read(spoil(third, at, mask, cut))).toBeUndefined()
        expect(text(responder.read(third))).toBe(text(Buffer.from('third')))
        expect(text(responder.hash)).toBe(text(initiator.hash))
      }),
      { numRuns: 60 },
    )
  })

  it('answers no key with which everybody shares the same secret', () => {
    const { responder } = ends()
    expect(responder.read(new Uint8Array(32))).toEqual(new Uint8Array(0))
    expect(responder.write(new Uint8Array(0))).toBeUndefined()
  })

  it('takes a message out of turn, or keys before the end, for a bug of ours', () => {
    const { initiator, responder } = ends()
    expect(() => responder.write(new Uint8Array(0))).toThrow(/out of turn/)
    expect(() => initiator.read(new Uint8Array(32))).toThrow(/out of turn/)
    expect(() => initiator.split()).toThrow(/before its end/)
  })
})

function spoil(message: Uint8Array, at: number, mask: number, cut: boolean): Uint8Array {
  const changed = message.slice(0, cut ? at % message.length : message.length)
  if (!cut) changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ mask
  return changed
}
