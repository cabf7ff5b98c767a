/**
 * Cryptography of the machines (`Crypto` in `@causeway/protocol`) on node:crypto, and Ed25519 keys as the raw
 * bytes that credentials carry. Node wants keys in DER, whose prefix for Ed25519 never changes (RFC 8410).
 */
import { type KeyObject, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import type { Crypto } from '@causeway/protocol'

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const KEY_BYTES = 32
/** Parsing a key costs as much as checking a signature; a network's writers fit in here. */
const CACHED_KEYS_MAX = 4096

export interface KeyPair {
  /** The seed, 32 bytes: what must stay secret. */
  readonly seed: Uint8Array
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

export function generateKeyPair(): KeyPair {
  return keyPairOf(generateKeyPairSync('ed25519').privateKey)
}

/** The raw keys of an Ed25519 private key object. */
export function keyPairOf(key: KeyObject): KeyPair {
  const { d, x } = key.export({ format: 'jwk' })
  return { seed: rawBytes(d), publicKey: rawBytes(x) }
}

export function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== KEY_BYTES) throw new RangeError(`an Ed25519 seed has ${KEY_BYTES} bytes, not ${seed.length}`)
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
}

export function createNodeCrypto(): Crypto {
  const cache = new Map<string, KeyObject>()
  return {
    verify(publicKey, message, signature) {
      try {
        return verify(null, message, cachedKey(cache, publicKey), signature)
      } catch {
        return false
      }
    },
    hash: (message) => new Uint8Array(createHash('sha256').update(message).digest()),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
  }
}

function cachedKey(cache: Map<string, KeyObject>, publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('latin1')
  const known = cache.get(name)
  if (known) return known
  if (publicKey.length !== KEY_BYTES) throw new RangeError('not an Ed25519 key')
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
  if (cache.size >= CACHED_KEYS_MAX) cache.clear()
  cache.set(name, key)
  return key
}

function rawBytes(text: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(text ?? '', 'base64url'))
}
