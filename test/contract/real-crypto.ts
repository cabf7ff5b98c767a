/**
 * The daemon's cryptography, for tests of packages that are given theirs: a stand-in could not show that what is forged
 * does not open, nor that our bytes are those of the specification.
 */
import { type Crypto, type Random, type SignedCredential, encodeCredential } from '@causeway/protocol'
import { createNodeCrypto, generateKeyPair } from '../../packages/daemon/src/node-crypto.ts'

export { createNodeCrypto, generateKeyPair }

/** With random bytes of a seed: ephemeral keys and indices are the same in every run. */
export function seededCrypto(random: Random, seed: Uint8Array = generateKeyPair().seed): Crypto {
  return { ...createNodeCrypto(seed), randomBytes: (length) => Uint8Array.from({ length }, () => random.uint32() & 0xff) }
}

export interface TestAuthority {
  readonly publicKey: Uint8Array
  issue(name: string, key: Uint8Array, notAfterMs?: number): SignedCredential
}

export function createTestAuthority(): TestAuthority {
  const keys = generateKeyPair()
  const { sign } = createNodeCrypto(keys.seed)
  return {
    publicKey: keys.publicKey,
    issue(name, key, notAfterMs = Number.MAX_SAFE_INTEGER) {
      const body = encodeCredential({ network: 'lab', name, site: 's', region: 'r', role: 'edge', labels: {}, write: [], key, notAfterMs })
      return { body, signature: sign(body) }
    },
  }
}
