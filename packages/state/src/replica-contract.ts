/**
 * What a replica takes and gives. The replica is a machine (see `@causeway/protocol`, machine.ts); sessions are
 * reliable ordered channels of whole messages that its parent opens and closes.
 */
import type {
  Crypto,
  Instant,
  Limits,
  Random,
  RecordView,
  ReportEffect,
  SignedCredential,
  StoreEffect,
  StoreInput,
  StrictOutcome,
  Wake,
} from '@causeway/protocol'
import type { Companion } from './sync-contract.ts'

export interface ReplicaConfig {
  /** Name of this node: the writer of its documents. */
  readonly writer: string
  /** Patterns over `collection/partition` of what this node wants to hold. */
  readonly interest: readonly string[]
  /** Patterns over `collection/partition` of what this node may write. */
  readonly write: readonly string[]
  readonly limits: Limits
  /** This node is a hub: what is on its disk is on a hub's. @default false */
  readonly core?: boolean
  /** Shown with everything that this node writes, so that anybody can check its signatures. */
  readonly credential: SignedCredential
  /** Ed25519 public key of the network's authority. */
  readonly authorityKey: Uint8Array
}

/** What batches need of cryptography. */
export type Signer = Pick<Crypto, 'hash' | 'sign' | 'verify'>

/** How old batches are kept in memory: what they repeat of each other need not be there each time. */
export interface LogPacking {
  pack(batches: Uint8Array): Uint8Array
  unpack(packed: Uint8Array): Uint8Array
}

export interface ReplicaEnvironment {
  readonly random: Random
  readonly crypto: Signer
  readonly now: Instant
  /** Wall clock minus monotonic instant, milliseconds. */
  readonly wallOffsetMs: number
  /** What shares the packets of the sessions. */
  readonly vitals?: Companion
  /** @default logs are kept as they travel */
  readonly logPacking?: LogPacking
}

/** A place in the log of a writer of some partition. */
export interface RecordPoint {
  readonly writer: string
  readonly epoch: number
  readonly seq: number
}

/** Where a peer is: `up` towards the core, `down` away from it, `mesh` between hubs. */
export type Relation = 'up' | 'down' | 'mesh'

export type WriteOperation =
  | {
      /** `put` writes in any case, `create` only what does not exist, `update` only what does. */
      readonly type: 'put' | 'create' | 'update'
      readonly value: unknown
      readonly labels?: Readonly<Record<string, string>>
      /** The record is gone so long after the write. */
      readonly ttlMs?: number
    }
  | {
      /** Changes some fields of a record that exists, and some labels; `null` removes one (RFC 7396, one level). */
      readonly type: 'patch'
      readonly value: Readonly<Record<string, unknown>>
      readonly labels?: Readonly<Record<string, string | null>>
    }
  | {
      readonly type: 'delete'
      /**
       * Only what had been written by then, milliseconds since 1970: the mark gets the stamp next to that of the record, so that whatever
       * is written by somebody who knew the record stays, also if it is older than this delete.
       */
      readonly asOf?: number
    }

export interface WriteChange {
  readonly key: string
  readonly operation: WriteOperation
  /** Write only if this is the revision now. */
  readonly revision?: string
}

/** What a write waits for: this node's disk; that of one more node, whichever it has a session with; that of a hub. */
export type Durability = 'local' | 'site' | 'hub'

/** All changes of one write take effect, in one batch, or none does. */
export interface WriteInput {
  readonly type: 'write'
  /** The caller's number; comes back with the answer. */
  readonly request: number
  readonly collection: string
  readonly partition: string
  readonly changes: readonly WriteChange[]
  /** @default 'local' */
  readonly durability?: Durability
  /** Made only with stamps after the one and not after the other, milliseconds since 1970. */
  readonly stamps?: { readonly afterMs: number; readonly untilMs: number }
}

/**
 * A Yjs update of the shared document `name`, made by a Y.Doc whose client id `shared.client()` of the replica gave out. Taken once,
 * however often it comes.
 */
export interface SharedWriteInput {
  readonly type: 'writeShared'
  readonly request: number
  readonly name: string
  readonly update: Uint8Array
}

export type ReplicaInput =
  | Wake
  | StoreInput
  | SharedWriteInput
  | { readonly type: 'wall'; readonly offsetMs: number }
  /** What this node wants to hold from now on, instead of the interest of its config. */
  | { readonly type: 'interest'; readonly patterns: readonly string[] }
  | WriteInput
  /** Several, as if one after the other; but what they change goes to the disk at once. */
  | { readonly type: 'writes'; readonly writes: readonly WriteInput[] }
  | { readonly type: 'sessionOpened'; readonly session: number; readonly peer: string; readonly relation: Relation }
  | { readonly type: 'sessionMessage'; readonly session: number; readonly message: Uint8Array }
  | { readonly type: 'sessionClosed'; readonly session: number }
  | { readonly type: 'sessionBlocked'; readonly session: number }
  | { readonly type: 'sessionDrained'; readonly session: number }
  /** Write everything out and mark the store clean; answered by `flushed`. */
  | { readonly type: 'flush' }

/** What came of a write travels as that of a strict one does. */
export type WriteOutcome = StrictOutcome

/** The answer to a write. A write that is `ok` is as durable as was asked. */
export interface WrittenEffect {
  readonly type: 'written'
  readonly request: number
  readonly result: WriteOutcome
}

/** A record has changed for readers, by a write here or anywhere. A deleted record is shown as it last was. */
export interface ChangeEffect {
  readonly type: 'change'
  readonly change: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly collection: string
  readonly record: RecordView
  /** What readers saw before; `undefined` if nothing. */
  readonly previous: RecordView | undefined
  /** The batch that decided it. */
  readonly point: RecordPoint
}

/** A Yjs update of a shared document whose state somebody has asked for; by anybody, this node included. */
export interface SharedEffect {
  readonly type: 'shared'
  readonly name: string
  readonly update: Uint8Array
}

/** The partition has left what this node holds: that is no delete. What it still knows of it follows as changes. */
export interface UnsyncedEffect {
  readonly type: 'unsynced'
  readonly collection: string
  readonly partition: string
}

type SessionEffect =
  | { readonly type: 'sessionSend'; readonly session: number; readonly message: Uint8Array }
  /** The peer misbehaves: end the session. */
  | { readonly type: 'sessionReset'; readonly session: number; readonly reason: string }

export type ReplicaEffect =
  | StoreEffect
  | ReportEffect
  | SessionEffect
  | WrittenEffect
  | ChangeEffect
  | UnsyncedEffect
  | SharedEffect
  | { readonly type: 'flushed' }
