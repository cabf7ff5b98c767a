/**
 * State sessions with all peers: who is told what. Events change what is known of a peer; one function, `#pump`,
 * then decides which batches are sent. Sessions run over channels, so nothing here ever waits for a lost message.
 *
 * Both ends say what they want; the end towards the core (and both ends of a mesh) then learns what the other
 * holds, answers with what it holds of that, and each sends what the other lacks. Later batches follow on arrival.
 * Every 30 s digests are compared, and if they differ all heads, which mends whatever went wrong.
 *
 * Packets cost more than bytes: only batches leave at once. Acknowledgements, vitals and digests go with the next batches,
 * or together when the first of them cannot wait longer.
 *
 *  1. A batch of ours is sent only when it is durable here. Those of others are passed on once they have passed the gate,
 *     and acknowledged when they are durable here.
 *  2. None goes back to the peer it came from. What came from above or from the side only goes down: hubs of a tier are a
 *     full mesh, and a lower tier hears of its own siblings from above.
 *  3. Everything this node holds goes up; down goes what the peer has an interest in, and its own documents.
 */
import { type Instant, type Random, after, earliest, instant, invariant } from '@causeway/protocol'
import type { Backlog, Holder } from './backlog.ts'
import { documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import { Interest } from './interest.ts'
import type { Relation, ReplicaConfig, ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { AtHub } from './sync-at-hub.ts'
import type { Companion, Origin, SyncOutcome } from './sync-contract.ts'
import { Digests } from './sync-digests.ts'
import { type Head, SYNC_VERSION, type SyncPart, type SyncPoint, decodeSync, headsParts } from './sync-message.ts'
import { Outbox } from './sync-outbox.ts'
import { OwnDocuments } from './sync-own.ts'
import { SyncSession } from './sync-session.ts'

/** After a gap the heads are sent soon, not at once: what is missing may be on its way. */
const HEADS_AFTER_GAP_MS = 1_000
/** More than the credit, for messages that crossed. */
const UNPROCESSED_BYTES_MAX = 512 * 1024
const ROUND_MAX = 200_000

export class Sync {
  readonly #config: ReplicaConfig
  readonly #documents: Documents
  readonly #own: OwnDocuments
  readonly #digests: Digests
  readonly #companion: Companion | undefined
  readonly #outbox: Outbox
  readonly #atHub = new AtHub()
  #now: Instant = instant(0)
  #interest: Interest
  #interestId = 1
  #upEverOpened = false
  #upEverServed = false
  /** Somebody waits for the acknowledgement of what is sent next. */
  #urgent = false

  constructor(config: ReplicaConfig, documents: Documents, backlog: Backlog, random: Random, companion?: Companion) {
    this.#config = config
    this.#documents = documents
    this.#own = new OwnDocuments(config.writer, documents, backlog)
    backlog.isHub = config.core === true
    this.#digests = new Digests(config.writer, documents, random)
    this.#companion = companion
    this.#outbox = new Outbox(this.#digests, companion)
    this.#interest = new Interest(config.interest)
  }

  /** Every session towards the core has sent what we are interested in. */
  get complete(): boolean {
    if (!this.#upEverOpened) return true
    return this.#upEverServed && this.#ups().every(({ servedToUs }) => servedToUs > 0)
  }

  /** Some peer has told what it holds of ours, and what we lacked of that has arrived. */
  get informed(): boolean {
    return this.complete && [...this.#outbox.all()].some(({ servedToUs }) => servedToUs > 0)
  }

  get peers(): string[] {
    return [...new Set([...this.#outbox.all()].map(({ peer }) => peer))].sort()
  }

  nextWake(): Instant | undefined {
    return this.#outbox.nextWake()
  }

  session(number: number): SyncSession | undefined {
    return this.#outbox.get(number)
  }

  opened(now: Instant, number: number, peer: string, relation: Relation): ReplicaEffect[] {
    this.#now = now
    invariant(!this.#outbox.get(number), 'session numbers are not used twice')
    const { writer: self } = this.#config
    const session = new SyncSession({ number, peer, relation, self, documents: (id) => this.#documents.get(id) })
    this.#outbox.add(session)
    if (relation === 'up') this.#upEverOpened = true
    const effects: ReplicaEffect[] = []
    if (relation === 'down') this.#outbox.send(session, [this.#interestPart()], effects)
    else this.#sendHeads(now, session, effects, [this.#interestPart()])
    return effects
  }

  closed(now: Instant, number: number): ReplicaEffect[] {
    this.#now = now
    const session = this.#outbox.get(number)
    if (session) this.#outbox.forget(session)
    const effects = this.#reviseInterest(now)
    this.#pumpAll(now, effects)
    return effects
  }

  blocked(number: number, blocked: boolean, now: Instant = this.#now): ReplicaEffect[] {
    const session = this.#outbox.get(number)
    if (!session) return []
    session.blocked = blocked
    const effects: ReplicaEffect[] = []
    this.#pump(now, session, effects)
    return effects
  }

  wake(now: Instant): ReplicaEffect[] {
    this.#now = now
    const effects: ReplicaEffect[] = []
    for (const session of this.#outbox.due(now)) {
      if (session.headsAt !== undefined && session.headsAt <= now) this.#sendHeads(now, session, effects)
      this.#outbox.tick(now, session, effects)
    }
    return effects
  }

  message(now: Instant, session: SyncSession, bytes: Uint8Array): SyncOutcome {
    this.#now = now
    const effects: ReplicaEffect[] = []
    const batches: Uint8Array[] = []
    let ownEpochAhead: number | undefined
    const tooLong = bytes.length > this.#config.limits.messageBytesMax
    const parts = tooLong ? undefined : decodeSync(bytes)
    if (tooLong) this.#outbox.reset(session, 'oversized', `a message of ${bytes.length} bytes`, effects)
    else if (!parts) this.#outbox.reset(session, 'malformed', 'a message that is none of the sync protocol', effects)
    for (const part of parts ?? []) {
      if (part.type === 'batches') {
        if (this.#onBatches(now, session, part, effects)) batches.push(...part.batches)
      } else {
        const ahead = this.#onPart(now, session, part, effects)
        if (ahead !== undefined) ownEpochAhead = Math.max(ahead, ownEpochAhead ?? 0)
      }
      if (!this.#outbox.get(session.number)) break
    }
    return { effects, batches, ownEpochAhead }
  }

  /** Documents have new batches of others, which came from `from` and have passed the gate. */
  applied(now: Instant, documents: Iterable<ReplicatedDocument>, from: Origin): ReplicaEffect[] {
    this.#now = now
    return this.#passOn(now, [...documents], from)
  }

  /** Batches of `bytes` bytes from a session have been dealt with: those that are in `heads` are durable here. */
  processed(number: number, bytes: number, heads: readonly Head[], now: Instant = this.#now): ReplicaEffect[] {
    const session = this.#outbox.get(number)
    if (!session) return []
    session.holds(heads)
    session.acks.add(now, bytes, heads)
    const effects: ReplicaEffect[] = []
    this.#outbox.acksChanged(now, session, effects)
    this.#checkServed(now, session, effects)
    return effects
  }

  /** Documents have new durable batches, which came from session `from` or are our own. */
  durable(documents: Iterable<ReplicatedDocument>, from: Origin | undefined, now: Instant = this.#now): ReplicaEffect[] {
    const changed = [...documents]
    const effects = this.#passOn(now, changed, from)
    this.#outbox.settle(now, changed, effects)
    return effects
  }

  /** Somebody waits until what becomes durable next is so elsewhere too. */
  hasten(): void {
    this.#urgent = true
  }

  /** A batch from this session does not fit on what we hold: compare heads soon. */
  gap(now: Instant, session: SyncSession): void {
    session.headsAt = earliest(session.headsAt, after(now, HEADS_AFTER_GAP_MS))
    this.#outbox.schedule(session)
  }

  /** Whether this node wants the document at all. */
  wants(session: SyncSession, document: { readonly collection: string; readonly partition: string; readonly writer: string }): boolean {
    if (session.relation === 'down' || document.writer === this.#config.writer) return true
    return this.#interest.matches(document.collection, document.partition)
  }

  // ---- what a peer says

  #onBatches(now: Instant, session: SyncSession, part: SyncPart & { type: 'batches' }, effects: ReplicaEffect[]): boolean {
    for (const batch of part.batches) session.arrived += batch.length
    if (part.urgent) {
      this.#urgent = true
      session.acks.hurry(now, session.arrived)
    }
    if (session.arrived - session.acks.processed <= UNPROCESSED_BYTES_MAX + this.#config.limits.messageBytesMax) return true
    this.#outbox.reset(session, 'overflow', 'more batches than it has credit for', effects)
    return false
  }

  /** Returns the largest epoch of ours of which the peer shows more than we hold. */
  #onPart(now: Instant, session: SyncSession, part: Exclude<SyncPart, { type: 'batches' }>, effects: ReplicaEffect[]): number | undefined {
    switch (part.type) {
      case 'interest':
        this.#onInterest(now, session, part, effects)
        return undefined
      case 'heads':
        return this.#onHeads(now, session, part, effects)
      case 'ack':
        return this.#onAck(now, session, part, effects)
      case 'served':
        session.servedWhen = { id: part.id, arrived: session.arrived }
        this.#checkServed(now, session, effects)
        return undefined
      case 'vitals': {
        const fault = this.#companion?.receive(now, session.number, part.bytes)
        if (fault) this.#outbox.reset(session, 'malformed', fault, effects)
        return undefined
      }
      case 'digest':
        this.#onDigest(now, session, part, effects)
        return undefined
      case 'differ':
        // Not at once: heads are long, and a peer may ask as often as it likes.
        if (session.relation !== 'down') this.gap(now, session)
        return undefined
    }
  }

  #onInterest(now: Instant, session: SyncSession, part: SyncPart & { type: 'interest' }, effects: ReplicaEffect[]): void {
    if (part.version !== SYNC_VERSION) {
      this.#outbox.reset(session, 'unexpected', `sync version ${part.version}; this node speaks ${SYNC_VERSION}`, effects)
      return
    }
    session.wants(part)
    this.#companion?.interestChanged(session.number)
    effects.push(...this.#reviseInterest(now))
  }

  #onHeads(now: Instant, session: SyncSession, part: SyncPart & { type: 'heads' }, effects: ReplicaEffect[]): number | undefined {
    const heads = this.#resolve(session, part.points, effects)
    if (!heads) return undefined
    session.addToRound(heads)
    if (session.roundSize > ROUND_MAX) {
      this.#outbox.reset(session, 'overflow', `heads of more than ${ROUND_MAX} documents`, effects)
      return undefined
    }
    session.shown(heads)
    const ahead = this.#own.note(heads, holderOf(session))
    if (session.peerIsCore && session.relation !== 'down') this.#tellAtHub(now, heads, effects)
    if (!part.last) return ahead
    session.finishRound(part.processed)
    session.agreedAt = now
    if (session.relation === 'down') {
      const theirs = this.#atHub.select((id) => session.mentioned(id))
      session.acks.addAtHub(now, theirs)
      this.#sendHeads(now, session, effects)
    }
    for (const document of this.#documents.all()) session.offer(document)
    this.#pump(now, session, effects)
    return ahead
  }

  #onAck(now: Instant, session: SyncSession, part: SyncPart & { type: 'ack' }, effects: ReplicaEffect[]): number | undefined {
    const durable = this.#resolve(session, part.durable, effects)
    const atHub = durable && this.#resolve(session, part.atHub, effects)
    if (!durable || !atHub) return undefined
    if (!session.acknowledge(part.processed)) {
      this.#outbox.reset(session, 'malformed', 'an acknowledgement of what was not sent', effects)
      return undefined
    }
    session.holds(durable)
    const ahead = this.#own.note(durable, holderOf(session))
    if (session.relation !== 'down') this.#tellAtHub(now, session.peerIsCore ? [...durable, ...atHub] : atHub, effects)
    this.#pump(now, session, effects)
    return ahead
  }

  /** These are durable at a hub: whoever below showed us something of the document is told so. */
  #tellAtHub(now: Instant, heads: readonly Head[], effects: ReplicaEffect[]): void {
    if (heads.length === 0 || this.#config.core) return
    this.#own.note(heads, 'hub')
    this.#atHub.add(heads)
    for (const session of this.#outbox.all()) {
      const theirs = session.relation === 'down' ? heads.filter((head) => session.mentioned(documentId(head))) : []
      if (theirs.length === 0) continue
      session.acks.addAtHub(now, theirs)
      this.#outbox.acksChanged(now, session, effects)
    }
  }

  #onDigest(now: Instant, session: SyncSession, part: SyncPart & { type: 'digest' }, effects: ReplicaEffect[]): void {
    if (!this.#digests.differ(now, session, part)) return
    this.#outbox.send(session, [{ type: 'differ' }], effects)
    if (session.relation === 'mesh') this.gap(now, session)
  }

  #resolve(session: SyncSession, points: readonly SyncPoint[], effects: ReplicaEffect[]): Head[] | undefined {
    const heads = session.headsOf(points)
    if (!heads) this.#outbox.reset(session, 'malformed', 'a log that it has not named', effects)
    return heads
  }

  #checkServed(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    const served = session.servedWhen
    if (!served || session.acks.processed < served.arrived) return
    session.servedToUs = Math.min(served.id, this.#interestId)
    session.servedWhen = undefined
    if (session.relation !== 'up') return
    this.#upEverServed = true
    this.#pumpAll(now, effects)
  }

  // ---- what is sent

  #passOn(now: Instant, changed: readonly ReplicatedDocument[], from: Origin | undefined): ReplicaEffect[] {
    const effects: ReplicaEffect[] = []
    for (const session of this.#outbox.all()) {
      if (session.peer === from?.peer) session.gave(changed)
      if (from && (session.peer === from.peer || (from.relation !== 'down' && session.relation !== 'down'))) continue
      for (const document of changed) session.offer(document)
      this.#pump(now, session, effects)
    }
    this.#urgent = false
    return effects
  }

  #pumpAll(now: Instant, effects: ReplicaEffect[]): void {
    for (const session of this.#outbox.all()) this.#pump(now, session, effects)
  }

  /** The one place that decides which batches a session sends. */
  #pump(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    if (!session.ready || session.blocked) return
    const parts: SyncPart[] = []
    for (let batches = session.take(); batches.length > 0; batches = session.take()) {
      if (parts.length > 0) this.#outbox.send(session, parts.splice(0), effects)
      parts.push({ type: 'batches', urgent: this.#urgent, batches }, ...this.#outbox.riders(now, session))
    }
    // What a peer below wants may still be on its way from above.
    const waits = session.relation === 'down' && !this.#ups().every(({ servedToUs }) => servedToUs === this.#interestId)
    if (session.idle && session.servedId < session.interestId && !waits) {
      session.servedId = session.interestId
      parts.push({ type: 'served', id: session.servedId })
    }
    if (parts.length === 0) return
    this.#outbox.send(session, parts, effects)
    this.#outbox.schedule(session)
  }

  #ups(): SyncSession[] {
    return [...this.#outbox.all()].filter(({ relation }) => relation === 'up')
  }

  /** Our interest and that of everybody below; a change is told to everybody above. */
  #reviseInterest(now: Instant): ReplicaEffect[] {
    const patterns = [...this.#config.interest]
    for (const { relation, interest } of this.#outbox.all()) if (relation === 'down') patterns.push(...interest.patterns)
    const interest = new Interest(patterns)
    if (interest.equals(this.#interest)) return []
    this.#interest = interest
    this.#interestId += 1
    const effects: ReplicaEffect[] = []
    for (const session of this.#outbox.all())
      if (session.relation !== 'down') this.#sendHeads(now, session, effects, [this.#interestPart()])
    return effects
  }

  #interestPart(): SyncPart {
    return {
      type: 'interest',
      version: SYNC_VERSION,
      id: this.#interestId,
      patterns: this.#interest.patterns,
      core: this.#config.core === true,
    }
  }

  /** Sends a round of heads, after `first`; the end towards the core only answers, and leaves the clock to the other. */
  #sendHeads(now: Instant, session: SyncSession, effects: ReplicaEffect[], first: readonly SyncPart[] = []): void {
    const rounds = headsParts(session.acks.processed, session.pointsOf(this.#documents.all()))
    for (const [index, part] of rounds.entries()) this.#outbox.send(session, index === 0 ? [...first, part] : [part], effects)
    session.headsAt = undefined
    this.#digests.restart(now, session)
    this.#outbox.schedule(session)
  }
}

/** What an acknowledgement of this peer is worth. */
function holderOf({ relation, peerIsCore }: SyncSession): Holder {
  if (peerIsCore) return 'hub'
  return relation === 'down' ? 'peer' : 'above'
}
