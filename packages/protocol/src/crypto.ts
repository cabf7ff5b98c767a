/**
 * Cryptography as the machines see it: synchronous functions, injected. The daemon injects node:crypto, the
 * simulator a cheap stand-in with the same contract.
 */
export interface Crypto {
  /** Ed25519 (RFC 8032). `publicKey` 32 bytes, `signature` 64. False for anything malformed, never a throw. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** Ed25519 with the key of this node, 64 bytes. */
  sign(message: Uint8Array): Uint8Array
  /** SHA-256, 32 bytes. */
  hash(message: Uint8Array): Uint8Array
  /** HMAC-SHA-256 (RFC 2104), 32 bytes. */
  mac(key: Uint8Array, message: Uint8Array): Uint8Array
  /** The public key of a private X25519 key (RFC 7748), 32 bytes each; any 32 random bytes are a private key. */
  publicKey(privateKey: Uint8Array): Uint8Array
  /** X25519: the secret that two keys share, 32 bytes; `undefined` for a malformed public key or one of low order. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined
  /** Prepares a key of 32 bytes. */
  aead(key: Uint8Array, tagBytes?: typeof SHORT_TAG_BYTES): Aead
  /** Fresh unpredictable bytes. */
  randomBytes(length: number): Uint8Array
}

/** All that some parts need of it. */
export type Hasher = Pick<Crypto, 'hash'>

/** Authenticated encryption: AES-256-GCM (NIST SP 800-38D). Its nonce is four zero bytes and the counter, as in Noise. */
export interface Aead {
  /** Seals `bytes[from, to)` in place and writes the tag behind it, `AEAD_TAG_BYTES` if not told otherwise. A counter must never be used twice. */
  seal(counter: number, associated: Uint8Array, bytes: Uint8Array, from: number, to: number): void
  /** The message in `sealed` (message and tag), or `undefined` if it was not sealed with this key, counter and associated data. */
  open(counter: number, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
}

export const AEAD_TAG_BYTES = 16
/** The shortest that needs no further care (SP 800-38D, 5.2.1.2): for where packets are many and small, and the first bad one is the last. */
export const SHORT_TAG_BYTES = 12

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Lower-case hexadecimal, for keys and hashes in messages to people. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
