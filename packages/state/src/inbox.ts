/**
 * What sessions say, in their order. A large fold that comes thin is made here before it is taken, one part a turn, since all at once
 * would keep the node from everything else; what its session says after it waits.
 */
import type { Instant } from '@causeway/protocol'
import type { FoldDraft } from './fold-draft.ts'
import type { Intake } from './intake.ts'
import type { ReplicaConfig, ReplicaEffect } from './replica-contract.ts'
import type { Silence } from './silence.ts'
import type { SyncSession } from './sync-session.ts'
import type { Sync } from './sync.ts'
import type { Writer } from './writer.ts'

/** Of messages that wait; batches among them are within their credit, and the rest is small. */
const WAITING_BYTES_MAX = 1024 * 1024

export interface InboxParts {
  readonly config: ReplicaConfig
  readonly sync: Sync
  readonly silence: Silence
  readonly writer: Writer
  readonly intake: Intake
}

interface Waiting {
  readonly session: SyncSession
  /** Of the message in hand. */
  readonly batches: readonly Uint8Array[]
  readonly draft: FoldDraft
  /** Those after it, and their length. */
  readonly messages: Uint8Array[]
  bytes: number
}

export class Inbox {
  readonly #parts: InboxParts
  /** By number of the session; the first goes on. */
  readonly #waiting = new Map<number, Waiting>()
  #since: Instant | undefined

  constructor(parts: InboxParts) {
    this.#parts = parts
  }

  /** At once, if something waits. */
  nextWake(): Instant | undefined {
    return this.#waiting.size > 0 ? this.#since : undefined
  }

  closed(number: number): void {
    this.#waiting.delete(number)
  }

  message(now: Instant, wallMs: number, number: number, message: Uint8Array): ReplicaEffect[] {
    const session = this.#parts.sync.session(number)
    if (!session) return []
    const waiting = this.#waiting.get(number)
    if (!waiting) return this.#read(now, wallMs, session, message)
    waiting.messages.push(message)
    waiting.bytes += message.length
    if (waiting.bytes <= WAITING_BYTES_MAX + this.#parts.config.limits.messageBytesMax) return []
    this.#waiting.delete(number)
    return this.#parts.sync.overflow(session, 'more than it may say while a fold is made of what it said before')
  }

  /** Makes a part; or, if there is no further one, takes the fold and what came after it. */
  wake(now: Instant, wallMs: number): ReplicaEffect[] {
    const [waiting] = this.#waiting.values()
    this.#since = now
    if (!waiting || waiting.draft.step() !== undefined) return []
    const { session, batches, draft, messages } = waiting
    const { number } = session
    this.#waiting.delete(number)
    const effects: ReplicaEffect[] = []
    if (this.#parts.sync.session(number) === session) effects.push(...this.#take(now, wallMs, session, batches, draft))
    for (const message of messages) effects.push(...this.message(now, wallMs, number, message))
    return effects
  }

  #read(now: Instant, wallMs: number, session: SyncSession, message: Uint8Array): ReplicaEffect[] {
    const { sync, silence, writer } = this.#parts
    const { effects, batches, ownEpochAhead } = sync.message(now, session, message)
    silence.hear(now, session.peer, session.peerIsCore && session.relation === 'mesh')
    if (ownEpochAhead !== undefined) writer.raiseAbove(ownEpochAhead)
    if (batches.length > 0) effects.push(...this.#take(now, wallMs, session, batches))
    return effects
  }

  #take(now: Instant, wallMs: number, session: SyncSession, batches: readonly Uint8Array[], draft?: FoldDraft): ReplicaEffect[] {
    const { effects, rest } = this.#parts.intake.receive(now, wallMs, session, batches, draft)
    if (rest) {
      this.#waiting.set(session.number, { session, ...rest, messages: [], bytes: 0 })
      this.#since = now
    }
    return effects
  }
}
