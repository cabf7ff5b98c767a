/**
 * Cryptography as the machines see it: synchronous functions, injected. The daemon injects node:crypto, the
 * simulator a cheap stand-in with the same contract.
 */
export interface Crypto {
  /** Ed25519 (RFC 8032). `publicKey` 32 bytes, `signature` 64. False for anything malformed, never a throw. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** SHA-256, 32 bytes. */
  hash(message: Uint8Array): Uint8Array
  /** Fresh unpredictable bytes. */
  randomBytes(length: number): Uint8Array
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lower-case hexadecimal, for keys and hashes in messages to people. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
