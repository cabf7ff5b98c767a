/**
 * The authority's word that a node is not one of the network any more. It is a record, under the node's name, that every node
 * wants: who writes it down does not matter, since only the authority can sign it.
 *
 *     collection  revocations          partition  global          key  name of the node
 *     value       {atMs, signature}    signature: hexadecimal, Ed25519 by the authority over the msgpack array
 *                                      ['causeway revocation', network, name, atMs]
 */
import { encodeRecord } from './codec.ts'
import type { Crypto } from './crypto.ts'

export const REVOCATIONS = 'revocations'
export const REVOCATIONS_PARTITION = 'global'

const SIGNATURE = /^(?:[0-9a-f]{2}){64}$/

export interface Revocation {
  readonly network: string
  readonly name: string
  /** When it was signed, milliseconds since 1970. */
  readonly atMs: number
}

/** What the authority signs. */
export function revocationBody({ network, name, atMs }: Revocation): Uint8Array {
  return encodeRecord(['causeway revocation', network, name, atMs])
}

/** Whether the value of the record under `name` is a revocation by that authority. Never throws. */
export function isRevocation(
  crypto: Pick<Crypto, 'verify'>,
  authorityKey: Uint8Array,
  { network, name }: Pick<Revocation, 'network' | 'name'>,
  value: unknown,
): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { atMs, signature } = value as { atMs?: unknown; signature?: unknown }
  if (!Number.isSafeInteger(atMs) || typeof signature !== 'string' || !SIGNATURE.test(signature)) return false
  const bytes = Uint8Array.from({ length: 64 }, (_, at) => Number.parseInt(signature.slice(2 * at, 2 * at + 2), 16))
  return crypto.verify(authorityKey, revocationBody({ network, name, atMs: atMs as number }), bytes)
}
