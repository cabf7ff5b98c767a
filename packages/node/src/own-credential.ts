/** A node's own credential must be good too: better to say so at the start than to be refused by everybody. */
import { CausewayError, type Credential, checkCredential, decodeRecord } from '@causeway/protocol'
import type { NodeConfig, NodeEnvironment } from './contract.ts'

/** Throws `credential-invalid`. */
export function ownCredential(config: NodeConfig, environment: NodeEnvironment): Credential {
  const body: unknown = decodeRecord(config.credential.body)
  const key = typeof body === 'object' && body !== null && 'key' in body && body.key instanceof Uint8Array ? body.key : new Uint8Array(0)
  const trust = { authorityKey: config.authorityKey, peerKey: key, wallMs: environment.now + environment.wallOffsetMs }
  const check = checkCredential(environment.crypto, config.credential, trust)
  if (check.ok) return check.credential
  throw new CausewayError(
    'credential-invalid',
    `this node cannot use its credential: ${check.reason}`,
    'Issue a new one with `causeway issue`, or, if it has expired, renew it with `causeway renew`.',
  )
}
