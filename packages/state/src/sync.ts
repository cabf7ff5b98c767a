/**
 * State sessions with all peers: who is told what. Events change what is known of a peer; one function, `#pump`,
 * then decides what is sent. Sessions run over channels, so nothing here ever waits for a lost message.
 *
 * Both ends say what they want; the end towards the core (and both ends of a mesh) then learns what the other
 * holds, answers with what it holds of that, and each sends what the other lacks. Later batches follow on
 * arrival. Every 30 s the heads are compared anew, which mends whatever went wrong.
 *
 *  1. A batch is sent only when it is durable here.
 *  2. It never goes back to the peer it came from, and never from the core to the core: hubs are a full mesh.
 *  3. Everything this node holds goes up; down goes what the peer has an interest in, and its own documents.
 */
import { Deadlines, type Instant, type Random, type ViolationCode, after, invariant, jittered } from '@causeway/protocol'
import type { Backlog } from './backlog.ts'
import { documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import { Interest } from './interest.ts'
import type { Relation, ReplicaConfig, ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { type Head, SYNC_VERSION, type SyncMessage, decodeSync, encodeSync, headsMessages } from './sync-message.ts'
import { SyncSession } from './sync-session.ts'

const HEADS_PERIOD_MS = 30_000
/** After a gap the heads are sent soon, not at once: what is missing may be on its way. */
const HEADS_AFTER_GAP_MS = 1_000
/** Twice the credit, for messages that crossed. */
const UNPROCESSED_BYTES_MAX = 512 * 1024
const ROUND_MAX = 200_000

export interface SyncOutcome {
  readonly effects: ReplicaEffect[]
  /** Batches that the peer sent, for the gate. */
  readonly batches: readonly Uint8Array[]
  /** The peer holds more of our own documents than we do, up to this epoch. */
  readonly ownEpochAhead: number | undefined
}

export class Sync {
  readonly #config: ReplicaConfig
  readonly #documents: Documents
  readonly #backlog: Backlog
  readonly #random: Random
  readonly #sessions = new Map<number, SyncSession>()
  readonly #deadlines = new Deadlines<number>()
  #interest: Interest
  #interestId = 1
  #upEverOpened = false
  #upEverServed = false

  constructor(config: ReplicaConfig, documents: Documents, backlog: Backlog, random: Random) {
    this.#config = config
    this.#documents = documents
    this.#backlog = backlog
    this.#random = random
    this.#interest = new Interest(config.interest)
  }

  /** Every session towards the core has sent what we are interested in. */
  get complete(): boolean {
    if (!this.#upEverOpened) return true
    return this.#upEverServed && this.#ups().every(({ servedToUs }) => servedToUs > 0)
  }

  get peers(): string[] {
    return [...new Set([...this.#sessions.values()].map(({ peer }) => peer))].sort()
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  session(number: number): SyncSession | undefined {
    return this.#sessions.get(number)
  }

  opened(now: Instant, number: number, peer: string, relation: Relation): ReplicaEffect[] {
    invariant(!this.#sessions.has(number), 'session numbers are not used twice')
    const session = new SyncSession(number, peer, relation, (id) => this.#documents.get(id))
    this.#sessions.set(number, session)
    if (relation === 'up') this.#upEverOpened = true
    const effects = [this.#interestMessage(session)]
    if (relation !== 'down') this.#sendHeads(now, session, effects)
    return effects
  }

  closed(now: Instant, number: number): ReplicaEffect[] {
    const session = this.#sessions.get(number)
    if (session) this.#forget(session)
    const effects = this.#reviseInterest(now)
    this.#pumpAll(effects)
    return effects
  }

  blocked(number: number, blocked: boolean): ReplicaEffect[] {
    const session = this.#sessions.get(number)
    if (!session) return []
    session.blocked = blocked
    const effects: ReplicaEffect[] = []
    this.#pump(session, effects)
    return effects
  }

  wake(now: Instant): ReplicaEffect[] {
    const effects: ReplicaEffect[] = []
    for (const number of this.#deadlines.due(now)) {
      const session = this.#sessions.get(number)
      if (session) this.#sendHeads(now, session, effects)
    }
    return effects
  }

  message(now: Instant, session: SyncSession, bytes: Uint8Array): SyncOutcome {
    const effects: ReplicaEffect[] = []
    const nothing = { effects, batches: [], ownEpochAhead: undefined }
    if (bytes.length > this.#config.limits.messageBytesMax) {
      this.#reset(session, 'oversized', `a message of ${bytes.length} bytes`, effects)
      return nothing
    }
    const message = decodeSync(bytes)
    if (message === undefined) this.#reset(session, 'malformed', 'a message that is none of the sync protocol', effects)
    if (message === undefined || message === 'unknown') return nothing
    switch (message.type) {
      case 'interest':
        this.#onInterest(now, session, message, effects)
        return nothing
      case 'heads':
        return { effects, batches: [], ownEpochAhead: this.#onHeads(now, session, message, effects) }
      case 'batches':
        for (const batch of message.batches) session.arrived += batch.length
        if (session.arrived - session.processed <= UNPROCESSED_BYTES_MAX + this.#config.limits.messageBytesMax) {
          return { ...nothing, batches: message.batches }
        }
        this.#reset(session, 'overflow', 'more batches than it has credit for', effects)
        return nothing
      case 'served':
        session.servedWhen = { id: message.id, arrived: session.arrived }
        this.#checkServed(session, effects)
        return nothing
      case 'ack':
        if (!session.acknowledge(message.processed)) this.#reset(session, 'malformed', 'an acknowledgement of what was not sent', effects)
        session.holds(message.heads)
        this.#noteOwn(session, message.heads)
        this.#pump(session, effects)
        return nothing
    }
  }

  /** Batches of `bytes` bytes from a session have been dealt with: those that are in `heads` are durable here. */
  processed(number: number, bytes: number, heads: readonly Head[]): ReplicaEffect[] {
    const session = this.#sessions.get(number)
    if (!session) return []
    session.processed += bytes
    session.holds(heads)
    const effects: ReplicaEffect[] = [this.#send(session, { type: 'ack', processed: session.processed, heads })]
    this.#checkServed(session, effects)
    return effects
  }

  /** Documents have new durable batches, which came from session `from` or are our own. */
  durable(
    documents: Iterable<ReplicatedDocument>,
    from: { readonly peer: string; readonly relation: Relation } | undefined,
  ): ReplicaEffect[] {
    const changed = [...documents]
    const effects: ReplicaEffect[] = []
    for (const session of this.#sessions.values()) {
      if (from && (session.peer === from.peer || (from.relation !== 'down' && session.relation !== 'down'))) continue
      for (const document of changed) session.offer(document)
      this.#pump(session, effects)
    }
    return effects
  }

  /** A batch from this session does not fit on what we hold: compare heads soon. */
  gap(now: Instant, session: SyncSession): void {
    const soon = after(now, HEADS_AFTER_GAP_MS)
    if (session.nextHeadsAt !== undefined && session.nextHeadsAt <= soon) return
    session.nextHeadsAt = soon
    this.#deadlines.set(session.number, soon)
  }

  /** Whether this node wants the document at all. */
  wants(session: SyncSession, document: { readonly collection: string; readonly partition: string; readonly writer: string }): boolean {
    if (session.relation === 'down' || document.writer === this.#config.writer) return true
    return this.#interest.matches(document.collection, document.partition)
  }

  #onInterest(now: Instant, session: SyncSession, message: SyncMessage & { type: 'interest' }, effects: ReplicaEffect[]): void {
    if (message.version !== SYNC_VERSION) {
      this.#reset(session, 'unexpected', `sync version ${message.version}; this node speaks ${SYNC_VERSION}`, effects)
      return
    }
    session.interest = new Interest(message.patterns)
    session.interestId = message.id
    // What the peer holds follows at once; until then nothing may be called served.
    session.ready = false
    effects.push(...this.#reviseInterest(now))
  }

  #onHeads(now: Instant, session: SyncSession, message: SyncMessage & { type: 'heads' }, effects: ReplicaEffect[]): number | undefined {
    session.addToRound(message.heads)
    if (session.roundSize > ROUND_MAX) {
      this.#reset(session, 'overflow', `heads of more than ${ROUND_MAX} documents`, effects)
      return undefined
    }
    const ahead = this.#noteOwn(session, message.heads)
    if (!message.last) return ahead
    session.finishRound(message.processed)
    if (session.relation === 'down') this.#sendHeads(now, session, effects)
    for (const document of this.#documents.all()) session.offer(document)
    this.#pump(session, effects)
    return ahead
  }

  /** Learns from a peer's heads about our own documents. Returns the largest epoch of which it holds more than we do. */
  #noteOwn(session: SyncSession, heads: readonly Head[]): number | undefined {
    let ahead: number | undefined
    for (const head of heads) {
      if (head.writer !== this.#config.writer) continue
      const document = this.#documents.get(documentId(head))
      if (document && session.relation !== 'down') this.#backlog.acknowledged(document, head.points)
      for (const point of head.points) if (!document?.holds(point)) ahead = Math.max(ahead ?? 0, point.epoch)
    }
    return ahead
  }

  #checkServed(session: SyncSession, effects: ReplicaEffect[]): void {
    const served = session.servedWhen
    if (!served || session.processed < served.arrived) return
    session.servedToUs = Math.min(served.id, this.#interestId)
    session.servedWhen = undefined
    if (session.relation !== 'up') return
    this.#upEverServed = true
    this.#pumpAll(effects)
  }

  #pumpAll(effects: ReplicaEffect[]): void {
    for (const session of this.#sessions.values()) this.#pump(session, effects)
  }

  /** The one place that decides what a session sends. */
  #pump(session: SyncSession, effects: ReplicaEffect[]): void {
    if (!session.ready || session.blocked) return
    for (let batches = session.take(); batches.length > 0; batches = session.take()) {
      effects.push(this.#send(session, { type: 'batches', batches: batches.map(({ encoded }) => encoded) }))
    }
    if (!session.idle || session.servedId >= session.interestId) return
    // What a peer below wants may still be on its way from above.
    if (session.relation === 'down' && !this.#ups().every(({ servedToUs }) => servedToUs === this.#interestId)) return
    session.servedId = session.interestId
    effects.push(this.#send(session, { type: 'served', id: session.servedId }))
  }

  #ups(): SyncSession[] {
    return [...this.#sessions.values()].filter(({ relation }) => relation === 'up')
  }

  /** Our interest and that of everybody below; a change is told to everybody above. */
  #reviseInterest(now: Instant): ReplicaEffect[] {
    const patterns = [...this.#config.interest]
    for (const { relation, interest } of this.#sessions.values()) if (relation === 'down') patterns.push(...interest.patterns)
    const interest = new Interest(patterns)
    if (interest.equals(this.#interest)) return []
    this.#interest = interest
    this.#interestId += 1
    const effects: ReplicaEffect[] = []
    for (const session of this.#sessions.values()) {
      if (session.relation === 'down') continue
      effects.push(this.#interestMessage(session))
      this.#sendHeads(now, session, effects)
    }
    return effects
  }

  #interestMessage(session: SyncSession): ReplicaEffect {
    return this.#send(session, { type: 'interest', version: SYNC_VERSION, id: this.#interestId, patterns: this.#interest.patterns })
  }

  /** Sends a round of heads; the end towards the core only answers, and leaves the clock to the other. */
  #sendHeads(now: Instant, session: SyncSession, effects: ReplicaEffect[]): void {
    const heads: Head[] = []
    for (const document of this.#documents.all()) {
      if (session.relation === 'down' && !session.offers(document) && !session.mentioned.has(document.id)) continue
      const points = document.frontier('durable')
      const { collection, partition, writer } = document
      if (points.length > 0) heads.push({ collection, partition, writer, points })
    }
    for (const message of headsMessages(session.processed, heads)) effects.push(this.#send(session, message))
    session.nextHeadsAt = session.relation === 'down' ? undefined : after(now, jittered(this.#random, HEADS_PERIOD_MS, 0.2))
    this.#deadlines.set(session.number, session.nextHeadsAt)
  }

  #reset(session: SyncSession, code: ViolationCode, detail: string, effects: ReplicaEffect[]): void {
    this.#forget(session)
    effects.push({ type: 'violation', peer: session.peer, code, detail })
    effects.push({ type: 'sessionReset', session: session.number, reason: detail })
  }

  #forget(session: SyncSession): void {
    this.#sessions.delete(session.number)
    this.#deadlines.set(session.number, undefined)
  }

  #send(session: SyncSession, message: SyncMessage): ReplicaEffect {
    return { type: 'sessionSend', session: session.number, message: encodeSync(message) }
  }
}
