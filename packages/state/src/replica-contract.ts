/**
 * What a replica takes and gives. The replica is a machine (see `@causeway/protocol`, machine.ts); sessions are
 * reliable ordered channels of whole messages that its parent opens and closes.
 */
import type {
  Hasher,
  Instant,
  Limits,
  Random,
  RecordView,
  ReportEffect,
  StoreEffect,
  StoreInput,
  Wake,
  WriteResult,
} from '@causeway/protocol'

export interface ReplicaConfig {
  /** Name of this node: the writer of its documents. */
  readonly writer: string
  /** Patterns over `collection/partition` of what this node wants to hold. */
  readonly interest: readonly string[]
  /** Patterns over `collection/partition` of what this node may write. */
  readonly write: readonly string[]
  readonly limits: Limits
}

export interface ReplicaEnvironment {
  readonly random: Random
  readonly crypto: Hasher
  readonly now: Instant
  /** Wall clock minus monotonic instant, milliseconds. */
  readonly wallOffsetMs: number
}

/** Where a peer is: `up` towards the core, `down` away from it, `mesh` between hubs. */
export type Relation = 'up' | 'down' | 'mesh'

export type WriteOperation =
  | {
      /** `put` writes in any case, `create` only what does not exist, `update` only what does. */
      readonly type: 'put' | 'create' | 'update'
      readonly value: unknown
      readonly labels?: Record<string, string>
    }
  | { readonly type: 'delete' }

export interface WriteInput {
  readonly type: 'write'
  /** The caller's number; comes back with the answer. */
  readonly request: number
  readonly collection: string
  readonly partition: string
  readonly key: string
  readonly operation: WriteOperation
  /** Write only if this is the revision now. */
  readonly revision?: string
}

export type ReplicaInput =
  | Wake
  | StoreInput
  | { readonly type: 'wall'; readonly offsetMs: number }
  | WriteInput
  | { readonly type: 'sessionOpened'; readonly session: number; readonly peer: string; readonly relation: Relation }
  | { readonly type: 'sessionMessage'; readonly session: number; readonly message: Uint8Array }
  | { readonly type: 'sessionClosed'; readonly session: number }
  | { readonly type: 'sessionBlocked'; readonly session: number }
  | { readonly type: 'sessionDrained'; readonly session: number }
  /** Write everything out and mark the store clean; answered by `flushed`. */
  | { readonly type: 'flush' }

export type WriteOutcome =
  | ({ readonly ok: true } & WriteResult)
  | { readonly ok: false; readonly code: 'conflict' | 'not-found' | 'refused'; readonly message: string; readonly remedy: string }

/** The answer to a write. A write that is `ok` is on disk. */
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
}

export type SessionEffect =
  | { readonly type: 'sessionSend'; readonly session: number; readonly message: Uint8Array }
  /** The peer misbehaves: end the session. */
  | { readonly type: 'sessionReset'; readonly session: number; readonly reason: string }

export type ReplicaEffect = StoreEffect | ReportEffect | SessionEffect | WrittenEffect | ChangeEffect | { readonly type: 'flushed' }
