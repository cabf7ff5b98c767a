/**
 * Which batches go to whom, and when: the one place that decides it. Sessions are offered documents that have changed, and send what
 * their peers lack as far as their credit goes.
 *
 *  1. None goes back to the peer it came from. What came from above or from the side only goes down.
 *  2. A peer below is told that it has been served when all above us have told us so.
 */
import type { Instant } from '@causeway/protocol'
import type { ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { Origin } from './sync-contract.ts'
import type { WantedInterest } from './sync-interest.ts'
import type { SyncPart } from './sync-message.ts'
import type { Outbox } from './sync-outbox.ts'
import type { SyncSession } from './sync-session.ts'

export class Distribution {
  readonly #outbox: Outbox
  readonly #interest: WantedInterest
  /** Somebody waits for the acknowledgement of what is sent next. */
  #urgent = false

  constructor(outbox: Outbox, interest: WantedInterest) {
    this.#outbox = outbox
    this.#interest = interest
  }

  hasten(): void {
    this.#urgent = true
  }

  passOn(now: Instant, changed: readonly ReplicatedDocument[], from: Origin | undefined): ReplicaEffect[] {
    const effects: ReplicaEffect[] = []
    const { audience } = this.#outbox
    if (from) for (const session of audience.with(from.peer)) session.gave(changed)
    const offered = new Set<SyncSession>()
    for (const document of changed) {
      for (const session of audience.of(document)) {
        if (from && (session.peer === from.peer || (from.relation !== 'down' && session.relation !== 'down'))) continue
        if (session.offer(document)) offered.add(session)
      }
    }
    for (const session of offered) this.pump(now, session, effects)
    this.#urgent = false
    return effects
  }

  pumpAll(now: Instant, effects: ReplicaEffect[]): void {
    for (const session of this.#outbox.all()) this.pump(now, session, effects)
  }

  pump(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    if (!session.ready || session.blocked) return
    const parts: SyncPart[] = []
    for (let batches = session.take(); batches.length > 0; batches = session.take()) {
      if (parts.length > 0) this.#outbox.send(session, parts.splice(0), effects)
      parts.push({ type: 'batches', urgent: this.#urgent, batches }, ...this.#outbox.riders(now, session))
    }
    // What a peer below wants may still be on its way from above.
    const waits = session.relation === 'down' && !this.#isServed()
    if (session.idle && session.servedId < session.interestId && !waits) {
      session.servedId = session.interestId
      parts.push({ type: 'served', id: session.servedId })
    }
    if (parts.length === 0) return
    this.#outbox.send(session, parts, effects)
    this.#outbox.schedule(session)
  }

  #isServed(): boolean {
    for (const { servedToUs } of this.#outbox.audience.ups) if (servedToUs !== this.#interest.id) return false
    return true
  }
}
