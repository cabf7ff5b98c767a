/** Who has been revoked, as far as the records here tell; each is checked once. A revocation is not taken back, whatever becomes of its record. */
import { REVOCATIONS, type RecordView, isRevocation } from '@causeway/protocol'
import type { Signer } from './replica-contract.ts'

export const REVOCATIONS_PATTERN: string = `${REVOCATIONS}/**`

export class Revocations {
  readonly #crypto: Signer
  readonly #authorityKey: Uint8Array
  readonly #network: string
  readonly #names = new Set<string>()

  constructor(crypto: Signer, authorityKey: Uint8Array, network: string) {
    this.#crypto = crypto
    this.#authorityKey = authorityKey
    this.#network = network
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Whether a record of that collection tells of somebody who was not known to be revoked. */
  learn(collection: string, { key: name, value }: Pick<RecordView, 'key' | 'value'>): boolean {
    if (collection !== REVOCATIONS || this.#names.has(name)) return false
    if (!isRevocation(this.#crypto, this.#authorityKey, { network: this.#network, name }, value)) return false
    this.#names.add(name)
    return true
  }
}
