/**
 * State sessions with all peers: who is told what. Events change what is known of a peer; `Distribution` then
 * decides which batches are sent. Sessions run over channels, so nothing here ever waits for a lost message.
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
import { type Instant, type Random, after, earliest, invariant } from '@causeway/protocol'
import type { Backlog } from './backlog.ts'
import { type BatchFields, type DocumentName, documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import type { Relation, ReplicaConfig, ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { AtHub } from './sync-at-hub.ts'
import type { Companion, Origin, SyncOutcome } from './sync-contract.ts'
import { Digests } from './sync-digests.ts'
import { Distribution } from './sync-distribution.ts'
import { WantedInterest } from './sync-interest.ts'
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
  readonly interest: WantedInterest
  readonly #distribution: Distribution
  #upEverOpened = false
  #upEverServed = false

  constructor(config: ReplicaConfig, documents: Documents, backlog: Backlog, random: Random, companion?: Companion) {
    this.#config = config
    this.#documents = documents
    this.#own = new OwnDocuments(config.writer, documents, backlog)
    backlog.isHub = config.core === true
    this.#digests = new Digests(config.writer, documents, random)
    this.#companion = companion
    this.#outbox = new Outbox(this.#digests, companion)
    this.interest = new WantedInterest(config.interest, config.limits.interestKeepMs)
    this.#distribution = new Distribution(this.#outbox, this.interest)
  }

  /** Every session towards the core has sent what we are interested in. */
  get complete(): boolean {
    if (!this.#upEverOpened) return true
    return this.#upEverServed && [...this.#outbox.audience.ups].every(({ servedToUs }) => servedToUs > 0)
  }

  /** Everybody towards the core or beside us, and there is somebody, has sent all that is asked for now. */
  get isServed(): boolean {
    return (
      this.informed && [...this.#outbox.all()].every(({ relation, servedToUs }) => relation === 'down' || servedToUs === this.interest.id)
    )
  }

  /** Some peer, and not only one below an edge, has told what it holds of ours, and what we lacked of that has arrived. */
  get informed(): boolean {
    const counts = ({ relation }: SyncSession): boolean => relation !== 'down' || this.#config.core === true
    return this.complete && [...this.#outbox.all()].some((session) => session.servedToUs > 0 && counts(session))
  }

  get peers(): string[] {
    return [...new Set([...this.#outbox.all()].map(({ peer }) => peer))].sort()
  }

  /** Hubs beside this one. */
  get hubs(): string[] {
    return [...this.#outbox.all()].filter(({ relation, peerIsCore }) => relation === 'mesh' && peerIsCore).map(({ peer }) => peer)
  }

  /** There is nobody further towards the core, as far as is known. */
  get isTop(): boolean {
    return !this.#upEverOpened
  }

  nextWake(): Instant | undefined {
    return earliest(this.#outbox.nextWake(), this.interest.nextWake())
  }

  /** This node itself wants something else from now on. */
  want(now: Instant, patterns: readonly string[]): ReplicaEffect[] {
    this.interest.setOwn(patterns)
    return this.#reviseInterest(now)
  }

  /** Nobody below speaks of the document, and somebody towards the core has all of it. */
  mayForget(document: ReplicatedDocument): boolean {
    const sessions = [...this.#outbox.all()]
    if (sessions.some((session) => session.relation === 'down' && session.mentioned(document.id))) return false
    return sessions.some((session) => session.relation !== 'down' && session.gotAll(document))
  }

  /** Some peer is still to get something of the document. */
  isSending(document: ReplicatedDocument): boolean {
    return [...this.#outbox.all()].some((session) => session.queues(document))
  }

  session(number: number): SyncSession | undefined {
    return this.#outbox.get(number)
  }

  opened(now: Instant, number: number, peer: string, relation: Relation): ReplicaEffect[] {
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
    const session = this.#outbox.get(number)
    if (session) this.#outbox.forget(session)
    const effects = this.#reviseInterest(now)
    this.#distribution.pumpAll(now, effects)
    return effects
  }

  blocked(now: Instant, number: number, blocked: boolean): ReplicaEffect[] {
    const session = this.#outbox.get(number)
    if (!session) return []
    session.blocked = blocked
    const effects: ReplicaEffect[] = []
    this.#distribution.pump(now, session, effects)
    return effects
  }

  wake(now: Instant): ReplicaEffect[] {
    const left = this.interest.nextWake()
    const effects = left !== undefined && left <= now ? this.#reviseInterest(now) : []
    for (const session of this.#outbox.due(now)) {
      if (session.headsAt !== undefined && session.headsAt <= now) this.#sendHeads(now, session, effects)
      this.#outbox.tick(now, session, effects)
    }
    return effects
  }

  /** The peer sends more than it may: the session ends. */
  overflow(session: SyncSession, detail: string): ReplicaEffect[] {
    const effects: ReplicaEffect[] = []
    this.#outbox.reset(session, 'overflow', detail, effects)
    return effects
  }

  message(now: Instant, session: SyncSession, bytes: Uint8Array): SyncOutcome {
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
    return this.#distribution.passOn(now, [...documents], from)
  }

  /** Batches of `bytes` bytes from a session have been dealt with: those that are in `heads` are durable here. */
  processed(now: Instant, number: number, bytes: number, heads: readonly Head[]): ReplicaEffect[] {
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
  durable(now: Instant, documents: Iterable<ReplicatedDocument>, from: Origin | undefined): ReplicaEffect[] {
    const changed = [...documents]
    const effects = this.#distribution.passOn(now, changed, from)
    this.#outbox.settle(now, changed, effects)
    return effects
  }

  /** Somebody waits until what becomes durable next is so elsewhere too. */
  hasten(): void {
    this.#distribution.hasten()
  }

  /** A batch from this session does not fit on what we hold: compare heads soon. */
  gap(now: Instant, session: SyncSession): void {
    session.headsAt = earliest(session.headsAt, after(now, HEADS_AFTER_GAP_MS))
    this.#outbox.schedule(session)
  }

  /** Whether this node wants the batch at all. What retires a writer concerns whoever holds something of that. */
  wants(session: SyncSession, batch: Pick<BatchFields, keyof DocumentName | 'epoch' | 'head'>): boolean {
    const { collection, partition, writer, epoch, head } = batch
    if (session.relation === 'down' || writer === this.#config.writer || this.interest.has(collection, partition)) return true
    if (this.#documents.get(documentId(batch))?.log(epoch)) return true
    return head?.more?.seals.some((seal) => this.#documents.get(documentId({ ...batch, writer: seal.writer }))) ?? false
  }

  /** The peer speaks for a writer that is retired: it is shown by whom. */
  voided(now: Instant, session: SyncSession, name: DocumentName, partition: Iterable<ReplicatedDocument>): ReplicaEffect[] {
    session.gave([{ id: documentId(name) }])
    session.passedOver.add(documentId(name))
    for (const document of partition) if (document.seals.some(({ writer }) => writer === name.writer)) session.offer(document)
    const effects: ReplicaEffect[] = []
    this.#distribution.pump(now, session, effects)
    return effects
  }

  // ---- what a peer says

  #onBatches(now: Instant, session: SyncSession, part: SyncPart & { type: 'batches' }, effects: ReplicaEffect[]): boolean {
    for (const batch of part.batches) session.arrived += batch.length
    if (part.urgent) {
      this.#distribution.hasten()
      session.acks.hurry(now, session.arrived)
    }
    if (session.arrived - session.acks.processed <= UNPROCESSED_BYTES_MAX + this.#config.limits.messageBytesMax) return true
    effects.push(...this.overflow(session, 'more batches than it has credit for'))
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
    this.#outbox.audience.wants(session, part)
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
    this.#outbox.shown(session, heads)
    const ahead = this.#own.note(heads, session.holder)
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
    this.#distribution.pump(now, session, effects)
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
    const ahead = this.#own.note(durable, session.holder)
    if (session.relation !== 'down') this.#tellAtHub(now, session.peerIsCore ? [...durable, ...atHub] : atHub, effects)
    this.#distribution.pump(now, session, effects)
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
    session.servedToUs = Math.min(served.id, this.interest.id)
    session.servedWhen = undefined
    if (session.relation !== 'up') return
    this.#upEverServed = true
    this.#distribution.pumpAll(now, effects)
  }

  // ---- what is sent

  /** A change of what is asked for is told to everybody above. */
  #reviseInterest(now: Instant): ReplicaEffect[] {
    const below = [...this.#outbox.all()].filter(({ relation }) => relation === 'down').map(({ interest }) => interest)
    if (!this.interest.revise(now, below)) return []
    const effects: ReplicaEffect[] = []
    for (const session of this.#outbox.all())
      if (session.relation !== 'down') this.#sendHeads(now, session, effects, [this.#interestPart()])
    return effects
  }

  #interestPart(): SyncPart {
    return {
      type: 'interest',
      version: SYNC_VERSION,
      id: this.interest.id,
      patterns: this.interest.current.patterns,
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
