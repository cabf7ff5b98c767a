import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { encodeRecord } from './codec.ts'
import { type Credential, type SignedCredential, checkCredential, encodeCredential, failureDomains } from './credential.ts'
import type { Crypto } from './crypto.ts'
import { nodeId } from './node-id.ts'

/** Real Ed25519: a stand-in could not show that a signature of somebody else is refused. */
function keyPair(): { publicKey: Uint8Array; sign: (message: Uint8Array) => Uint8Array } {
  const pair = generateKeyPairSync('ed25519')
  const publicKey = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32))
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, pair.privateKey)) }
}

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

const crypto: Pick<Crypto, 'verify'> = {
  verify(publicKey, message, signature) {
    if (publicKey.length !== 32 || signature.length !== 64) return false
    return verify(null, message, { key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' }, signature)
  },
}

const authority = keyPair()
const node = keyPair()
const wallMs = 1_800_000_000_000
const credential: Credential = {
  network: 'lab',
  name: 'hkg-1-a',
  site: 'hkg-1',
  region: 'apac',
  role: 'edge',
  labels: { provider: 'x' },
  write: ['*/hkg-1'],
  key: node.publicKey,
  notAfterMs: wallMs + 1000,
}
const trust = { authorityKey: authority.publicKey, peerKey: node.publicKey, wallMs }

function signed(body: Uint8Array, by = authority): SignedCredential {
  return { body, signature: by.sign(body) }
}

describe('checkCredential', () => {
  test('accepts a good one and names the node', () => {
    expect(checkCredential(crypto, signed(encodeCredential(credential)), trust)).toEqual({ ok: true, credential, id: nodeId('hkg-1-a') })
  })

  test('accepts one with fields that this version does not know', () => {
    const body = encodeRecord({ ...credential, since: 'the future' })
    expect(checkCredential(crypto, signed(body), trust)).toMatchObject({ ok: true })
  })

  test.each<[string, SignedCredential, Partial<typeof trust>, RegExp]>([
    ['signed by somebody else', signed(encodeCredential(credential), keyPair()), {}, /not signed by the authority/],
    ['signed by the node itself', signed(encodeCredential(credential), node), {}, /not signed by the authority/],
    ['of another network', signed(encodeCredential(credential)), { authorityKey: keyPair().publicKey }, /not signed by the authority/],
    ['without a signature', { body: encodeCredential(credential), signature: new Uint8Array() }, {}, /not signed by the authority/],
    ['of another node', signed(encodeCredential(credential)), { peerKey: keyPair().publicKey }, /does not hold its key/],
    ['with a key that is cut', signed(encodeCredential({ ...credential, key: node.publicKey.slice(1) })), {}, /does not hold its key/],
    ['that has expired', signed(encodeCredential(credential)), { wallMs: wallMs + 1001 }, /has expired/],
    ['that is no record', signed(Uint8Array.of(0xc1)), {}, /cannot be read/],
    ['with a bad name', signed(encodeRecord({ ...credential, name: '../etc' })), {}, /cannot be read/],
    ['with an unheard-of role', signed(encodeRecord({ ...credential, role: 'king' })), {}, /cannot be read/],
    ['that never ends', signed(encodeRecord({ ...credential, notAfterMs: Number.NaN })), {}, /cannot be read/],
  ])('refuses one %s', (_, shown, other, reason) => {
    const check = checkCredential(crypto, shown, { ...trust, ...other })
    expect(check.ok).toBe(false)
    expect(check).toHaveProperty('reason', expect.stringMatching(reason))
  })

  test('is good to the last millisecond', () => {
    expect(checkCredential(crypto, signed(encodeCredential(credential)), { ...trust, wallMs: credential.notAfterMs }).ok).toBe(true)
  })

  test('one flipped bit anywhere is refused', () => {
    const good = signed(encodeCredential(credential))
    fc.assert(
      fc.property(fc.nat(good.body.length - 1), fc.nat(7), (at, bit) => {
        const body = good.body.slice()
        body[at] = (body[at] ?? 0) ^ (1 << bit)
        expect(checkCredential(crypto, { body, signature: good.signature }, trust).ok).toBe(false)
      }),
    )
  })
})

test('encodeCredential refuses to write what nobody could read', () => {
  expect(() => encodeCredential({ ...credential, site: 'Upper Case' })).toThrow()
})

test('failure domains are the provider and the data centre, where labels name them', () => {
  expect(failureDomains({ provider: 'acme', dc: 'fra-1', rack: '7' })).toEqual(['provider=acme', 'dc=fra-1'])
  expect(failureDomains({ dc: '' })).toEqual([])
})
