/**
 * Which sessions a document concerns, found without asking each one: a hub has hundreds, and most batches concern two or three.
 *
 *  1. Whoever `SyncSession.offers` says yes for is in the audience of the document; who is only in the audience is still asked.
 */
import type { ReplicatedDocument } from './replicated-document.ts'
import { PatternTree } from './pattern-tree.ts'
import type { SyncPart } from './sync-message.ts'
import type { SyncSession } from './sync-session.ts'

export class Audience {
  readonly #interested = new PatternTree<SyncSession>()
  readonly #byPeer = new Map<string, Set<SyncSession>>()
  /** Sessions towards the core. */
  readonly ups: Set<SyncSession> = new Set()
  readonly #all = new Set<SyncSession>()

  add(session: SyncSession): void {
    this.#all.add(session)
    const same = this.#byPeer.get(session.peer)
    if (same) same.add(session)
    else this.#byPeer.set(session.peer, new Set([session]))
    if (session.relation === 'up') this.ups.add(session)
    for (const pattern of session.interest.patterns) this.#interested.add(pattern, session)
  }

  forget(session: SyncSession): void {
    this.#all.delete(session)
    const same = this.#byPeer.get(session.peer)
    if (same?.delete(session) && same.size === 0) this.#byPeer.delete(session.peer)
    this.ups.delete(session)
    for (const pattern of session.interest.patterns) this.#interested.delete(pattern, session)
  }

  /** The peer wants something else from now on. */
  wants(session: SyncSession, part: SyncPart & { readonly type: 'interest' }): void {
    const before = new Set(session.interest.patterns)
    session.wants(part)
    for (const pattern of session.interest.patterns) if (!before.delete(pattern)) this.#interested.add(pattern, session)
    for (const pattern of before) this.#interested.delete(pattern, session)
  }

  /** Sessions with this peer. */
  with(peer: string): Iterable<SyncSession> {
    return this.#byPeer.get(peer) ?? []
  }

  of(document: ReplicatedDocument): Iterable<SyncSession> {
    // What retires a writer concerns whoever has shown something of that.
    if (document.seals.length > 0) return this.#all
    const found = this.#interested.find(document.collection, document.partition)
    for (const session of this.ups) found.add(session)
    for (const session of this.with(document.writer)) found.add(session)
    return found
  }
}
