/** What sync needs of its surroundings, and tells the replica. */
import type { Instant } from '@causeway/protocol'
import type { Relation, ReplicaEffect } from './replica-contract.ts'

/** What shares the packets of a session: the vitals. */
export interface Companion {
  opened(session: number, relation: Relation, scope: { readonly peer: string; readonly wants: (partition: string) => boolean }): void
  closed(session: number): void
  interestChanged(session: number): void
  /** What there is to tell; to be called until there is nothing. */
  gather(now: Instant, session: number): Uint8Array | undefined
  /** Says what is wrong with what the peer tells. */
  receive(now: Instant, session: number, bytes: Uint8Array): string | undefined
  /** When some session has something that should not wait longer. */
  nextWake(): Instant | undefined
  takeDue(now: Instant): readonly number[]
  /** Who has lately said that it is there. */
  views?(now: Instant): readonly { readonly identity: { readonly name: string }; readonly ageMs: number }[]
}

export interface SyncOutcome {
  readonly effects: ReplicaEffect[]
  /** Batches that the peer sent, for the gate. */
  readonly batches: readonly Uint8Array[]
  /** The peer holds more of our own documents than we do, or another one of this epoch. */
  readonly ownEpochAhead: number | undefined
}

/** Where batches came from. */
export interface Origin {
  readonly peer: string
  readonly relation: Relation
}
