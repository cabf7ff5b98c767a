/**
 * Cryptography for a world without attackers: the contract of `Crypto` (sizes, determinism, refusal of what was
 * changed) at a fraction of the cost. Not secure: whoever knows a public key can sign for it.
 */
import {
  AEAD_TAG_BYTES,
  type Aead,
  type Credential,
  type Crypto,
  NAME_PATTERN,
  type Random,
  type SignedCredential,
  encodeCredential,
  equalBytes,
  invariant,
} from '@causeway/protocol'

/** Odd multipliers of the lanes of `mixingHash`; any large odd numbers do. */
const PRIMES = [597_399_067, 2_869_860_233, 951_274_213, 2_716_044_179] as const

export interface SimulatedKeyPair {
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

export function simulatorCrypto(random: Random, own: SimulatedKeyPair = SIMULATED_AUTHORITY): Crypto {
  return {
    verify: (publicKey, message, signature) =>
      publicKey.length === 32 && signature.length === 64 && equalBytes(signature, signFor(publicKey, message)),
    sign: own.sign,
    hash: mixingHash,
    mac: (key, message) => mixingHash(key, message),
    publicKey: mixingHash,
    agree: (privateKey, publicKey) => secretOf(mixingHash(privateKey), publicKey),
    aead: (key) => new SimulatedAead(key),
    randomBytes: (length) => drawBytes(random, length),
  }
}

/** The same name has the same key in every world. */
export function simulatorKeyPair(name: string): SimulatedKeyPair {
  const publicKey = mixingHash(Uint8Array.from(`key of ${name}`, (character) => character.charCodeAt(0) & 0xff))
  return { publicKey, sign: (message) => signFor(publicKey, message) }
}

export const SIMULATED_AUTHORITY: SimulatedKeyPair = simulatorKeyPair('authority')

/** What a credential must say; the rest has defaults that let an edge write its own site's partitions. */
export type CredentialSpec = Pick<Credential, 'name' | 'site' | 'role'> & Partial<Credential>

export function simulatorCredential(spec: CredentialSpec): SignedCredential {
  invariant(NAME_PATTERN.test(spec.name), `${spec.name} is not a name`)
  const body = encodeCredential({
    network: 'simulated',
    region: 'region-1',
    labels: {},
    write: [`*/${spec.site}`],
    key: simulatorKeyPair(spec.name).publicKey,
    notAfterMs: Number.MAX_SAFE_INTEGER,
    ...spec,
  })
  return { body, signature: SIMULATED_AUTHORITY.sign(body) }
}

function signFor(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64)
  const first = mixingHash(publicKey, message)
  signature.set(first)
  signature.set(mixingHash(first), 32)
  return signature
}

/** The same for both ends, whichever of the two keys is one's own. */
function secretOf(own: Uint8Array, other: Uint8Array): Uint8Array | undefined {
  if (other.length !== 32) return undefined
  return mixingHash(own.map((byte, i) => byte ^ (other[i] ?? 0)))
}

/** Hides nothing, but notices what was changed: the tag is a hash of everything. */
class SimulatedAead implements Aead {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  seal(counter: number, associated: Uint8Array, bytes: Uint8Array, from: number, to: number): void {
    bytes.set(this.#tag(counter, associated, bytes.subarray(from, to)), to)
  }

  open(counter: number, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - AEAD_TAG_BYTES
    if (end < 0) return undefined
    const message = sealed.subarray(0, end)
    return equalBytes(this.#tag(counter, associated, message), sealed.subarray(end)) ? message : undefined
  }

  #tag(counter: number, associated: Uint8Array, message: Uint8Array): Uint8Array {
    const count = Uint8Array.of(counter, counter >>> 8, counter >>> 16, counter >>> 24)
    return mixingHash(this.#key, associated, count, message).subarray(0, AEAD_TAG_BYTES)
  }
}

function drawBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = random.uint32()
  return bytes
}

/** Of the parts one after the other. Four lanes that feed each other, multiply and rotate as MurmurHash3 does (Austin Appleby, public domain); 128 bits, drawn out to 256. */
export function mixingHash(...parts: readonly Uint8Array[]): Uint8Array {
  let bytes = 0
  for (const part of parts) bytes += part.length
  let [a, b, c, d] = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a ^ bytes]
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      const byte = part[at] as number
      a = b ^ Math.imul(a ^ byte, PRIMES[0])
      b = c ^ Math.imul(b ^ byte, PRIMES[1])
      c = d ^ Math.imul(c ^ byte, PRIMES[2])
      d = a ^ Math.imul(d ^ byte, PRIMES[3])
    }
  }
  const hash = new Uint8Array(32)
  const view = new DataView(hash.buffer)
  for (let word = 0; word < 8; word++) {
    a = finish(a ^ (b >>> 7) ^ word)
    b = finish(b ^ (c >>> 11) ^ a)
    c = finish(c ^ (d >>> 13) ^ b)
    d = finish(d ^ (a >>> 17) ^ c)
    view.setUint32(4 * word, a ^ d)
  }
  return hash
}

/** The finaliser of MurmurHash3: every bit of the input changes half of the bits of the output. */
function finish(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
