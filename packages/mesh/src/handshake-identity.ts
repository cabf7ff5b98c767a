/**
 * Who is at the other end of a handshake: the payload of messages 2 and 3. The Noise handshake proves that the peer
 * holds its static key; the payload says whose key that is.
 *
 * Layout, big-endian:
 *
 *     0    u64   incarnation of the sender's process
 *     8    64    proof: Ed25519, by the key in the credential, of "causeway association" ‖ the static key (32 bytes)
 *     72   64    signature of the credential
 *     136  …     the credential, as signed
 *
 * The proof signs the static key and not the hash of the handshake. That is enough: message 2 is sealed under a secret that
 * needs the responder's static key (es), message 3 one that needs the initiator's (se), so nobody can finish a handshake
 * with the static key of another, whatever proof of it he has seen or made. The payload cannot be moved into another
 * handshake either, since `h` is the associated data of its seal. In return the proof is made once per process,
 * and a message 1 from anybody costs no signature. The static key is never stored and lives in the same memory as the
 * Ed25519 key: who can read one has the other. (libp2p's Noise binds its identities in the same way.)
 */
import {
  type Credential,
  type Crypto,
  type NodeId,
  type SignedCredential,
  checkCredential,
  decodeRecord,
  joinBytes,
  readU32,
  writeU32,
} from '@causeway/protocol'

const PROOF_CONTEXT = Uint8Array.from('causeway association', (character) => character.charCodeAt(0))
const OFFSET_PROOF = 8
const OFFSET_SIGNATURE = 72
const OFFSET_CREDENTIAL = 136

export function writeIdentity(
  crypto: Pick<Crypto, 'sign'>,
  own: { readonly credential: SignedCredential; readonly incarnation: number; readonly staticKey: Uint8Array },
): Uint8Array {
  const payload = new Uint8Array(OFFSET_CREDENTIAL + own.credential.body.length)
  writeU32(payload, 0, Math.floor(own.incarnation / 2 ** 32))
  writeU32(payload, 4, own.incarnation % 2 ** 32)
  payload.set(crypto.sign(joinBytes(PROOF_CONTEXT, own.staticKey)), OFFSET_PROOF)
  payload.set(own.credential.signature, OFFSET_SIGNATURE)
  payload.set(own.credential.body, OFFSET_CREDENTIAL)
  return payload
}

export interface Identity {
  readonly id: NodeId
  readonly credential: Credential
  readonly incarnation: number
}

export type IdentityCheck = { readonly ok: true; readonly identity: Identity } | { readonly ok: false; readonly reason: string }

/** Checks what a peer with that static key says of itself. Never throws. */
export function checkIdentity(
  crypto: Pick<Crypto, 'verify'>,
  payload: Uint8Array,
  trust: { readonly authorityKey: Uint8Array; readonly staticKey: Uint8Array; readonly wallMs: number },
): IdentityCheck {
  const body = payload.slice(OFFSET_CREDENTIAL)
  const incarnation = readU32(payload, 0) * 2 ** 32 + readU32(payload, 4)
  const peerKey = keyIn(body)
  if (!peerKey || !Number.isSafeInteger(incarnation)) return { ok: false, reason: 'what it says of itself cannot be read by this version' }
  const signature = payload.slice(OFFSET_SIGNATURE, OFFSET_CREDENTIAL)
  const check = checkCredential(crypto, { body, signature }, { authorityKey: trust.authorityKey, peerKey, wallMs: trust.wallMs })
  if (!check.ok) return check
  const { id, credential } = check
  if (!crypto.verify(peerKey, joinBytes(PROOF_CONTEXT, trust.staticKey), payload.slice(OFFSET_PROOF, OFFSET_SIGNATURE))) {
    return { ok: false, reason: `it shows the credential of ${credential.name} but does not hold its key` }
  }
  return { ok: true, identity: { id, credential, incarnation } }
}

/** The key that a credential claims, before anything of it has been checked. */
function keyIn(body: Uint8Array): Uint8Array | undefined {
  const record = decodeRecord(body)
  return typeof record === 'object' && record !== null && 'key' in record && record.key instanceof Uint8Array ? record.key : undefined
}
