/**
 * Cryptography of the machines (`Crypto` in `@causeway/protocol`) on node:crypto, and Ed25519 keys as the raw
 * bytes that credentials carry. Node wants keys in DER, whose prefix for a kind of key never changes (RFC 8410).
 */
import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { AEAD_TAG_BYTES, type Aead, type Crypto } from '@causeway/protocol'
import { countBulk } from './bulk-memory.ts'

const PKCS8_PREFIX = { ed25519: derPrefix('302e020100300506032b657004220420'), x25519: derPrefix('302e020100300506032b656e04220420') }
const SPKI_PREFIX = { ed25519: derPrefix('302a300506032b6570032100'), x25519: derPrefix('302a300506032b656e032100') }
const AEAD = 'aes-256-gcm'
const NONCE_BYTES = 12
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
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX.ed25519, seed]), format: 'der', type: 'pkcs8' })
}

/** All of it, for the node whose Ed25519 seed that is. */
export function createNodeCrypto(seed: Uint8Array): Crypto {
  const own = privateKeyOf(seed)
  return {
    ...createVerifier(),
    sign: (message) => new Uint8Array(sign(null, message, own)),
    hash: (message) => new Uint8Array(createHash('sha256').update(message).digest()),
    mac: (key, message) => new Uint8Array(createHmac('sha256', createSecretKey(key)).update(message).digest()),
    publicKey: (privateKey) => rawBytes(createPublicKey(agreementKey(privateKey)).export({ format: 'jwk' }).x),
    agree(privateKey, publicKey) {
      try {
        // OpenSSL refuses the result of a key of low order: all zero.
        return new Uint8Array(diffieHellman({ privateKey: agreementKey(privateKey), publicKey: publicKeyOf('x25519', publicKey) }))
      } catch {
        return undefined
      }
    },
    aead: (key, tagBytes) => new NodeAead(key, tagBytes),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
  }
}

/** Checks signatures: needs no key of its own. */
export function createVerifier(): Pick<Crypto, 'verify'> {
  const cache = new Map<string, KeyObject>()
  return {
    verify(publicKey, message, signature) {
      try {
        return verify(null, message, cachedKey(cache, publicKey), signature)
      } catch {
        return false
      }
    },
  }
}

class NodeAead implements Aead {
  /** A key object spares OpenSSL's schedule of the key nothing, but Node 15 µs of checks a call. */
  readonly #key: KeyObject
  readonly #nonce = Buffer.alloc(NONCE_BYTES)
  readonly #tag: { readonly authTagLength: number }

  constructor(key: Uint8Array, tagBytes: number = AEAD_TAG_BYTES) {
    this.#key = createSecretKey(key)
    this.#tag = { authTagLength: tagBytes }
  }

  seal(counter: number, associated: Uint8Array, bytes: Uint8Array, from: number, to: number): void {
    // The frame, and what the cipher returns.
    countBulk(2 * (to - from))
    const cipher = createCipheriv(AEAD, this.#key, this.#nonceOf(counter), this.#tag)
    cipher.setAAD(associated)
    bytes.set(cipher.update(bytes.subarray(from, to)), from)
    cipher.final()
    bytes.set(cipher.getAuthTag(), to)
  }

  open(counter: number, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - this.#tag.authTagLength
    if (end < 0) return undefined
    countBulk(end)
    const decipher = createDecipheriv(AEAD, this.#key, this.#nonceOf(counter), this.#tag)
    decipher.setAAD(associated)
    decipher.setAuthTag(sealed.subarray(end))
    const message = decipher.update(sealed.subarray(0, end))
    try {
      decipher.final()
      return message
    } catch {
      return undefined
    }
  }

  #nonceOf(counter: number): Buffer {
    this.#nonce.writeUInt32BE(Math.floor(counter / 2 ** 32), 4)
    this.#nonce.writeUInt32BE(counter % 2 ** 32, 8)
    return this.#nonce
  }
}

function cachedKey(cache: Map<string, KeyObject>, publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('latin1')
  const known = cache.get(name)
  if (known) return known
  const key = publicKeyOf('ed25519', publicKey)
  if (cache.size >= CACHED_KEYS_MAX) cache.clear()
  cache.set(name, key)
  return key
}

function publicKeyOf(kind: 'ed25519' | 'x25519', publicKey: Uint8Array): KeyObject {
  if (publicKey.length !== KEY_BYTES) throw new RangeError(`a public key has ${KEY_BYTES} bytes, not ${publicKey.length}`)
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX[kind], publicKey]), format: 'der', type: 'spki' })
}

/** Node reads a key anew each time it is given as bytes, which takes longer than what is done with it. */
const agreementKeys = new WeakMap<Uint8Array, KeyObject>()

function agreementKey(privateKey: Uint8Array): KeyObject {
  const known = agreementKeys.get(privateKey)
  if (known) return known
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX.x25519, privateKey]), format: 'der', type: 'pkcs8' })
  agreementKeys.set(privateKey, key)
  return key
}

function derPrefix(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function rawBytes(text: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(text ?? '', 'base64url'))
}
