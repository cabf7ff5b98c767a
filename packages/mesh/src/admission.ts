/**
 * Who may link with us: the two hellos that open every connection. A peer is admitted if it speaks our version and
 * shows a credential of our authority for the very key with which it opened the connection.
 */
import {
  type Credential,
  type Crypto,
  type Hello,
  type NodeId,
  PROTOCOL_VERSION,
  type SignedCredential,
  checkCredential,
} from '@causeway/protocol'

/** A node that has proved who it is. */
export interface Peer {
  readonly id: NodeId
  readonly incarnation: number
  readonly credential: Credential
}

export interface AdmissionConfig {
  readonly credential: SignedCredential
  readonly authorityKey: Uint8Array
  readonly incarnation: number
  readonly crypto: Crypto
}

export function helloOf(config: AdmissionConfig, alone: boolean, { datagram, stream }: Pick<Hello, 'datagram' | 'stream'>): Hello {
  const { credential, incarnation } = config
  return { type: 'hello', version: PROTOCOL_VERSION, credential, incarnation, alone, datagram, stream }
}

export type Admission = { readonly ok: true; readonly peer: Peer } | { readonly ok: false; readonly reason: string }

/** Reads a peer's hello. The reasons are for people at both ends: they say who is wrong about what. */
export function admit(config: AdmissionConfig, hello: Hello, peerKey: Uint8Array, wallMs: number): Admission {
  if (hello.version !== PROTOCOL_VERSION) {
    return { ok: false, reason: `it speaks protocol version ${hello.version}, this node ${PROTOCOL_VERSION}: upgrade the older one` }
  }
  const { authorityKey, crypto } = config
  const check = checkCredential(crypto, hello.credential, { authorityKey, peerKey, wallMs })
  if (!check.ok) return check
  return { ok: true, peer: { id: check.id, incarnation: hello.incarnation, credential: check.credential } }
}
