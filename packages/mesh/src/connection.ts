/**
 * A connection as the links see it: at first a stranger's, then one link's.
 */
import type { ConnectionId, Instant, NetworkInput, NodeId } from '@causeway/protocol'
import type { Link } from './link.ts'

/** Two fresh connections between the same pair: both ends dialled at once. */
const SIMULTANEOUS_MS = 3_000

export interface Connection {
  readonly id: ConnectionId
  readonly address: string | undefined
  readonly remote: string
  readonly peerKey: Uint8Array
  /** We can be sent datagrams on it. */
  readonly datagrams: boolean
  readonly openedAt: Instant
  link: Link | undefined
  /** The peer has said good-bye, and why: that the connection ends is no fault. */
  farewell: string | undefined
}

/** A stranger's, as the driver reports it. */
export function openedConnection(now: Instant, input: Extract<NetworkInput, { type: 'connected' }>): Connection {
  const { connection: id, address, remote, peerKey, datagram } = input
  return { id, address, remote, peerKey, datagrams: datagram !== null, openedAt: now, link: undefined, farewell: undefined }
}

/**
 * Whether, of two connections of `self` with the same process `peer`, the older stays. Both ends come to the same answer:
 * of two that cross, the one dialled by the lower id; otherwise the newer.
 */
export function olderStays(now: Instant, self: NodeId, peer: NodeId, older: Connection, newer: Connection): boolean {
  const crossed = now - older.openedAt < SIMULTANEOUS_MS && (older.address === undefined) !== (newer.address === undefined)
  return crossed && (older.address !== undefined) === self < peer
}
