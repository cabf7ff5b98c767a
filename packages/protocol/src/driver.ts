/**
 * The driver contract: everything the outside world says to a node's machine, and everything the machine asks of
 * it. The daemon (libp2p, UDP, LMDB) and the simulator are the two drivers; both pass the same contract suite.
 *
 *  1. A `connection` is authenticated before it is reported: `peerKey` is proven. The driver numbers connections
 *     from 1 and never uses a number twice.
 *  2. Lanes `control` and `stream` deliver whole messages in order, each at most once; those that came together are
 *     handed over together. A message on `control` is lost only with its connection, one on `stream` also when the lane
 *     moves to another socket. `datagram` may lose, repeat and reorder, and takes at most `DATAGRAM_BYTES_MAX`.
 *  3. After `disconnected` nothing more comes from that connection; sending on it is harmless and does nothing.
 *  4. `laneBlocked` comes when a lane holds more than `laneQueueBytesMax` unsent, `laneDrained` when it has emptied.
 *     Sending on a blocked lane is allowed, but costs memory: the machine decides what to drop.
 *  5. What is sent within one turn leaves as one write.
 *  6. Probe packets on `datagram` are the driver's to stamp and to answer, at the last moment and even while the machine
 *     stands still: a `probe` is stamped as it leaves; one that arrives is answered at once (`Reflector`) and reported with
 *     the instant of its arrival, as a reply is.
 *  7. `persisted` means on disk, in the order of the tickets. After a crash exactly the effects of a prefix of
 *     the tickets are there, which includes every ticket that was reported `persisted`.
 */
import type { Violation } from './errors.ts'
import type { Instant } from './instant.ts'
import type { Probe, ProbeReply } from './probe-packet.ts'

/** What one datagram carries: 1,280 bytes that every IPv6 path takes (RFC 8200, 5), less the headers and the seal. */
export const DATAGRAM_BYTES_MAX = 1_208

/** A class of traffic on a link. */
export type Lane = 'control' | 'stream' | 'datagram'

/** A driver's number for an authenticated connection. */
export type ConnectionId = number

/** What this end tells the peer (in `hello`) so that it can seal datagrams to us. */
export interface DatagramKey {
  /** The receiver's index of the association; prefixed to every datagram. */
  readonly index: number
  /** 32 bytes, ChaCha20-Poly1305. */
  readonly key: Uint8Array
}

/**
 * What this end tells the peer (in `hello`) so that the two can open a socket for the `stream` lane. Until it stands, and
 * where it cannot be had, the lane shares the connection with `control`; the machine sees no difference.
 */
export interface StreamKey {
  /** Where this end takes such sockets, at the address of the connection; 0 if it was the one that dialled. */
  readonly port: number
  /** The receiver's number for this connection, unguessable, 16 bytes: the first that is said on the socket. */
  readonly token: Uint8Array
  /** 32 bytes: seals what the peer sends. */
  readonly key: Uint8Array
}

export type NetworkInput =
  | {
      readonly type: 'connected'
      readonly connection: ConnectionId
      /** Ed25519 public key that the peer proved to hold, 32 bytes. */
      readonly peerKey: Uint8Array
      /** The address that was dialled, or `undefined` if the peer dialled us. */
      readonly address: string | undefined
      /** The local address of ours that it was dialled from, if the dial named any. */
      readonly from?: string
      /** Where the peer is, for people. */
      readonly remote: string
      /** How the peer may send datagrams on this connection; `null` if UDP is not to be had. */
      readonly datagram: DatagramKey | null
      /** How the peer may send on the `stream` lane past the connection; `null` if only over it. */
      readonly stream: StreamKey | null
    }
  | { readonly type: 'dialFailed'; readonly address: string; readonly reason: string }
  | { readonly type: 'received'; readonly connection: ConnectionId; readonly lane: Lane; readonly messages: readonly Uint8Array[] }
  /** A probe packet came as a datagram, at `at`. If it is a probe, it has been answered. */
  | { readonly type: 'probed'; readonly connection: ConnectionId; readonly at: Instant; readonly packet: Probe | ProbeReply }
  | { readonly type: 'disconnected'; readonly connection: ConnectionId; readonly reason: string }
  | { readonly type: 'laneBlocked'; readonly connection: ConnectionId; readonly lane: Lane }
  | { readonly type: 'laneDrained'; readonly connection: ConnectionId; readonly lane: Lane }

/** The reason of a `dialFailed` that led back to this node. */
export const DIALLED_SELF = 'this is myself'

export type NetworkEffect =
  /**
   * Connects to `address`, or to one of the others at which the same node takes connections, whichever works first; it is
   * reported as `address` in any case. A driver that knows no better way may leave the others out. `from`: what leaves for
   * that node leaves from the first of these addresses of ours that works, on every lane.
   */
  | { readonly type: 'dial'; readonly address: string; readonly others?: readonly string[]; readonly from?: readonly string[] }
  | { readonly type: 'send'; readonly connection: ConnectionId; readonly lane: Lane; readonly message: Uint8Array }
  /** Sends a probe as a datagram; its stamp is written as it leaves. */
  | { readonly type: 'probe'; readonly connection: ConnectionId; readonly probe: Probe }
  /** The peer is admitted, and has said how it takes the other lanes. */
  | {
      readonly type: 'openLanes'
      readonly connection: ConnectionId
      readonly datagram: DatagramKey | null
      readonly stream: StreamKey | null
    }
  /** Ends a connection at once: what is still queued is dropped, except messages of the same turn on `control`. */
  | { readonly type: 'close'; readonly connection: ConnectionId; readonly reason: string }

export type StoreInput = { readonly type: 'persisted'; readonly ticket: number }

export interface StoreEntry {
  readonly key: string
  /** `undefined` deletes the key. */
  readonly value: Uint8Array | undefined
}

/** All entries of one ticket become durable together or not at all. */
export type StoreEffect = { readonly type: 'persist'; readonly ticket: number; readonly entries: readonly StoreEntry[] }

/** What the surroundings do to time: wall-clock offset, and how late the event loop runs. */
export type ClockInput =
  /**
   * Wall clock (milliseconds since 1970) minus the monotonic instant. First input of all, and whenever it moves: because
   * somebody set it, or because the machine slept (`slept`), and its monotonic clock with it.
   */
  | { readonly type: 'wall'; readonly offsetMs: number; readonly slept?: boolean }
  /** The event loop was late by this much: deadlines of peers stretch, silence is our own fault first. */
  | { readonly type: 'lag'; readonly lagMs: number }

/** Something that a person may want to know: a state change, with its reason. */
export interface EventEffect {
  readonly type: 'event'
  /** What happened, as `noun-verb`: `link-up`, `gateway-taken`. */
  readonly name: string
  readonly data: Readonly<Record<string, string | number | boolean | null>>
}

export type ReportEffect = EventEffect | Violation
