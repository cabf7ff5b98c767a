/**
 * Who may write what: the credentials that come with the logs of writers, checked against the authority once each. A
 * credential that has expired meanwhile still speaks for what was written before.
 */
import { type Credential, type SignedCredential, credentialIn, hex } from '@causeway/protocol'
import type { DocumentName, LogHead } from './batch.ts'
import { Interest } from './interest.ts'
import type { Signer } from './replica-contract.ts'

/** Credentials remembered; a network's writers fit in here. */
const REMEMBERED_MAX = 10_000

export interface WriterCredential {
  readonly signed: SignedCredential
  readonly credential: Credential
  readonly scope: Interest
}

export class WriterCredentials {
  readonly #crypto: Signer
  readonly #authorityKey: Uint8Array
  readonly #known = new Map<string, WriterCredential | string>()

  constructor(crypto: Signer, authorityKey: Uint8Array) {
    this.#crypto = crypto
    this.#authorityKey = authorityKey
  }

  /** The credential, or what is wrong with it. */
  check(signed: SignedCredential): WriterCredential | string {
    const id = `${hex(this.#crypto.hash(signed.body))}${hex(signed.signature)}`
    const known = this.#known.get(id)
    if (known !== undefined) return known
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear()
    const result = this.#read(signed)
    this.#known.set(id, result)
    return result
  }

  /** The credential that the first batch of a log carries, if it may write that document; or what is wrong. */
  checkFor({ collection, partition, writer }: DocumentName, head: Pick<LogHead, 'credential'> | undefined): WriterCredential | string {
    const checked = head ? this.check(head.credential) : 'it has no credential'
    if (typeof checked === 'string') return checked
    if (checked.credential.name !== writer) return `it shows the credential of ${checked.credential.name}`
    return checked.scope.matches(collection, partition) ? checked : `${writer} may not write ${collection}/${partition}`
  }

  #read(signed: SignedCredential): WriterCredential | string {
    const credential = credentialIn(this.#crypto, signed, this.#authorityKey)
    return typeof credential === 'string' ? credential : { signed, credential, scope: new Interest(credential.write) }
  }
}
