/**
 * A credential: the authority's statement of who a node is and what it may write. No credential, no connection.
 *
 * It is a msgpack record signed with the authority's Ed25519 key. The bytes that were signed travel as they are,
 * so that a later version may add fields without breaking the signature for readers that skip them.
 */
import { z } from 'zod'
import { decodeRecord, encodeRecord } from './codec.ts'
import { type Crypto, equalBytes } from './crypto.ts'
import { NAME_PATTERN, type NodeId, nodeId } from './node-id.ts'

const name = z.string().regex(NAME_PATTERN)
const bytes = z.instanceof(Uint8Array)

export type Role = 'edge' | 'hub'

export interface Credential {
  /** Names the network for people; the authority's key is what identifies it. */
  readonly network: string
  readonly name: string
  readonly site: string
  readonly region: string
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  /** Patterns over `collection/partition` that this node may write. */
  readonly write: readonly string[]
  /** Ed25519 public key of the node, 32 bytes. */
  readonly key: Uint8Array
  /** Wall clock, milliseconds since 1970. */
  readonly notAfterMs: number
}

const credentialSchema: z.ZodType<Credential> = z.object({
  network: name,
  name,
  site: name,
  region: name,
  role: z.enum(['edge', 'hub']),
  labels: z.record(z.string(), z.string()),
  write: z.array(z.string()).max(64),
  key: bytes,
  notAfterMs: z.number(),
})

export interface SignedCredential {
  /** The encoded credential, exactly as signed. */
  readonly body: Uint8Array
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

export const signedCredentialSchema: z.ZodType<SignedCredential> = z.object({ body: bytes, signature: bytes })

/** Labels that name what a node shares its fate with. */
const DOMAIN_LABELS = ['provider', 'dc'] as const

/** What a node shares its fate with, as `label=value`: two paths should not have one of these in common. */
export function failureDomains(labels: Readonly<Record<string, string>>): string[] {
  return DOMAIN_LABELS.flatMap((label) => (labels[label] ? [`${label}=${labels[label]}`.slice(0, 80)] : []))
}

export function encodeCredential(credential: Credential): Uint8Array {
  return encodeRecord(credentialSchema.parse(credential))
}

export type CredentialCheck =
  | { readonly ok: true; readonly credential: Credential; readonly id: NodeId }
  | { readonly ok: false; readonly reason: string }

/** What the authority has signed, whoever shows it and whenever; or what is wrong with it. Never throws. */
export function credentialIn(crypto: Pick<Crypto, 'verify'>, signed: SignedCredential, authorityKey: Uint8Array): Credential | string {
  if (!crypto.verify(authorityKey, signed.body, signed.signature)) return 'its credential was not signed by the authority of this network'
  return credentialSchema.safeParse(decodeRecord(signed.body)).data ?? 'its credential cannot be read by this version'
}

/** Checks a peer's credential against the authority, its own proven key and the clock. Never throws. */
export function checkCredential(
  crypto: Pick<Crypto, 'verify'>,
  signed: SignedCredential,
  trust: { readonly authorityKey: Uint8Array; readonly peerKey: Uint8Array; readonly wallMs: number },
): CredentialCheck {
  const credential = credentialIn(crypto, signed, trust.authorityKey)
  if (typeof credential === 'string') return { ok: false, reason: credential }
  if (!equalBytes(credential.key, trust.peerKey)) {
    return { ok: false, reason: `it shows the credential of ${credential.name} but does not hold its key` }
  }
  const ended = credentialEnded(credential, trust.wallMs)
  if (ended !== undefined) return { ok: false, reason: ended }
  return { ok: true, credential, id: nodeId(credential.name) }
}

/** Why a credential counts no more, if it does not. */
export function credentialEnded({ name, notAfterMs }: Pick<Credential, 'name' | 'notAfterMs'>, wallMs: number): string | undefined {
  const lateMs = wallMs - notAfterMs
  if (lateMs <= 0) return undefined
  // It may be the clock that is wrong, and whose is for a person to say.
  const late = lateMs < 3_600_000 ? `${Math.ceil(lateMs / 60_000)} min` : `${Math.round(lateMs / 3_600_000)} h`
  return `the credential of ${name} has expired, ${late} ago by the clock that judges it`
}
