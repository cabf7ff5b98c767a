/**
 * Who may link with us: the two hellos that open every connection. A peer is admitted if it speaks our version and
 * shows a credential of our authority for the very key with which it opened the connection.
 */
import {
  type ControlMessage,
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
  /** A hub of a lower tier, as it says itself. */
  readonly hasParents?: boolean
}

export interface AdmissionConfig {
  readonly credential: SignedCredential
  readonly authorityKey: Uint8Array
  readonly incarnation: number
  readonly crypto: Crypto
  /** The authority has taken its word for that node back. @default nobody is revoked */
  readonly isRevoked?: (name: string) => boolean
  /** Where this node may be dialled, as it tells its peers. */
  readonly announce: readonly string[]
  /** Of a hub of a lower tier: where those above it are dialled. @default none */
  readonly parents?: readonly string[]
}

export function helloOf(config: AdmissionConfig, alone: boolean, { datagram, stream }: Pick<Hello, 'datagram' | 'stream'>): Hello {
  const { credential, incarnation, announce: addresses, parents = [] } = config
  const hello = { type: 'hello', version: PROTOCOL_VERSION, credential, incarnation, alone, datagram, stream, addresses } as const
  return parents.length > 0 ? { ...hello, hasParents: true } : hello
}

/** What the first message of a connection comes to. The reasons are for people at both ends: they say who is wrong about what. */
export type Greeting =
  | { readonly type: 'admitted'; readonly peer: Peer; readonly hello: Hello }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'refusedByPeer'; readonly reason: string }

export function readGreeting(config: AdmissionConfig, message: ControlMessage | undefined, peerKey: Uint8Array, wallMs: number): Greeting {
  if (message?.type === 'bye') return { type: 'refusedByPeer', reason: message.reason }
  if (message?.type !== 'hello') return { type: 'refused', reason: 'it did not begin with a hello of this protocol' }
  if (message.version !== PROTOCOL_VERSION) {
    const reason = `it speaks protocol version ${message.version}, this node ${PROTOCOL_VERSION}: upgrade the older one`
    return { type: 'refused', reason }
  }
  const { authorityKey, crypto } = config
  const check = checkCredential(crypto, message.credential, { authorityKey, peerKey, wallMs })
  if (!check.ok) return { type: 'refused', reason: check.reason }
  const { name } = check.credential
  if (config.isRevoked?.(name)) return { type: 'refused', reason: `${name} was revoked: issue a credential under another name` }
  const { incarnation, hasParents = false } = message
  return { type: 'admitted', peer: { id: check.id, incarnation, credential: check.credential, hasParents }, hello: message }
}
