/**
 * How the sessions speak: what waits for company, and when it stops waiting. Packets cost more than bytes, so
 * acknowledgements, vitals and digests go along with whatever leaves, or some seconds later together.
 *
 *  1. There is a deadline for every session that has something to say, and for no other.
 *  2. What is forgotten or reset says nothing more.
 *  3. Whoever is owed word of something that is not durable yet is in `#owing`.
 */
import { Deadlines, type Instant, type ViolationCode, earliest } from '@causeway/protocol'
import type { ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { Audience } from './sync-audience.ts'
import type { Companion } from './sync-contract.ts'
import type { Digests } from './sync-digests.ts'
import { type Head, type SyncPart, encodeSync } from './sync-message.ts'
import type { SyncSession } from './sync-session.ts'

export class Outbox {
  readonly #digests: Digests
  readonly #companion: Companion | undefined
  readonly #sessions = new Map<number, SyncSession>()
  readonly #deadlines = new Deadlines<number>()
  readonly #owing = new Set<SyncSession>()
  readonly audience: Audience = new Audience()

  constructor(digests: Digests, companion: Companion | undefined) {
    this.#digests = digests
    this.#companion = companion
  }

  /** All sessions, in the order in which they were opened. */
  all(): Iterable<SyncSession> {
    return this.#sessions.values()
  }

  get(number: number): SyncSession | undefined {
    return this.#sessions.get(number)
  }

  add(session: SyncSession): void {
    const { number, peer, relation } = session
    this.#sessions.set(number, session)
    this.audience.add(session)
    this.#companion?.opened(number, relation, { peer, wants: (partition) => session.interest.matches('nodes', partition) })
  }

  forget(session: SyncSession): void {
    const { number } = session
    this.#sessions.delete(number)
    this.audience.forget(session)
    this.#owing.delete(session)
    this.#deadlines.set(number, undefined)
    this.#companion?.closed(number)
  }

  reset(session: SyncSession, code: ViolationCode, detail: string, effects: ReplicaEffect[]): void {
    this.forget(session)
    effects.push({ type: 'violation', peer: session.peer, code, detail })
    effects.push({ type: 'sessionReset', session: session.number, reason: detail })
  }

  nextWake(): Instant | undefined {
    return earliest(this.#deadlines.next(), this.#companion?.nextWake())
  }

  due(now: Instant): SyncSession[] {
    const numbers = new Set([...this.#deadlines.due(now), ...(this.#companion?.takeDue(now) ?? [])])
    return [...numbers].flatMap((number) => this.#sessions.get(number) ?? [])
  }

  /** When the session has something to say by itself, if it is not said before. */
  schedule(session: SyncSession): void {
    this.#deadlines.set(session.number, [session.headsAt, session.digestAt].reduce(earliest, session.acks.dueAt))
  }

  send(session: SyncSession, parts: readonly SyncPart[], effects: ReplicaEffect[]): void {
    effects.push({ type: 'sessionSend', session: session.number, message: encodeSync(parts) })
  }

  /** What goes along with whatever leaves. */
  riders(now: Instant, session: SyncSession): SyncPart[] {
    const parts: SyncPart[] = []
    const ack = session.acks.take(session.logs)
    if (ack) parts.push(ack)
    for (let bytes = this.#gather(now, session); bytes; bytes = this.#gather(now, session)) parts.push({ type: 'vitals', bytes })
    return parts
  }

  /** Says what has waited long enough, and what goes along. */
  tick(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    const parts = this.riders(now, session)
    const digest = this.#digests.take(now, session)
    if (digest) parts.push(digest)
    if (parts.length > 0) this.send(session, parts, effects)
    this.schedule(session)
  }

  /** There is something new to acknowledge. */
  acksChanged(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    if (session.acks.isDue(now)) this.tick(now, session, effects)
    else this.schedule(session)
  }

  /** The peer shows these: it hears when those of them that are here are durable. */
  shown(session: SyncSession, heads: readonly Head[]): void {
    session.shown(heads)
    if (session.owes) this.#owing.add(session)
  }

  /** These have new durable batches: whoever has shown us such a one hears of it. */
  settle(now: Instant, documents: readonly ReplicatedDocument[], effects: ReplicaEffect[]): void {
    for (const session of [...this.#owing]) {
      const durable = documents.flatMap((document) => session.takeOwed(document))
      if (!session.owes) this.#owing.delete(session)
      if (durable.length === 0) continue
      session.acks.add(now, 0, durable)
      this.acksChanged(now, session, effects)
    }
  }

  #gather(now: Instant, { number }: SyncSession): Uint8Array | undefined {
    return this.#companion?.gather(now, number)
  }
}
