/**
 * One session with one peer: what the peer wants, what it is known to hold, what is on the way to it.
 *
 *  1. A batch is sent after every earlier one of its log, and at most once, unless the peer's heads show that it got
 *     lost there.
 *  2. At most `CREDIT_BYTES` of bulk are on the way and not yet acknowledged, or a single larger batch; what matters
 *     more may go `RESERVE_BYTES` beyond.
 *  3. Nothing is sent before the peer has said what it holds.
 *  4. Of our own documents only what is durable is sent; of others what has passed the gate. Should we forget a batch in a
 *     crash that we have passed on, its origin has no acknowledgement and sends it again.
 *  5. The queue holds documents, not batches: it is never longer than what the replica holds, and costs nothing to wait in.
 */
import type { Instant } from '@causeway/protocol'
import type { Holder } from './backlog.ts'
import { type Batch, type LogPoint, documentId } from './batch.ts'
import { Interest } from './interest.ts'
import type { Relation } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { SyncAcks } from './sync-acks.ts'
import { SessionLogs } from './sync-logs.ts'
import { type Head, MESSAGE_BYTES, type SyncPart, type SyncPoint } from './sync-message.ts'

const CREDIT_BYTES = 256 * 1024
const RESERVE_BYTES = 64 * 1024

/** What goes first; all other collections are bulk. */
const PRIORITIES: ReadonlyMap<string, number> = new Map([
  ['config', 0],
  ['tasks', 1],
])
const BULK = 2

/** How far the peer is in a log: batch `seq`, which left when `offset` bytes had been sent in this session. */
interface Cursor {
  readonly seq: number
  readonly offset: number
}

export interface SyncSessionOptions {
  readonly number: number
  readonly peer: string
  readonly relation: Relation
  /** Name of this node. */
  readonly self: string
  readonly documents: (id: string) => ReplicatedDocument | undefined
}

export class SyncSession {
  readonly number: number
  readonly peer: string
  readonly relation: Relation
  readonly logs: SessionLogs = new SessionLogs()
  readonly acks: SyncAcks = new SyncAcks()
  interest: Interest = new Interest([])
  /** The peer is a hub: what is on its disk is on a hub's. */
  peerIsCore = false
  /** Of the peer's newest interest; 0 before the first. */
  interestId = 0
  /** The peer's newest interest that we have told it is served. */
  servedId = 0
  /** Our newest interest that the peer has told us is served, once what it sent is durable here. */
  servedToUs = 0
  /** A `served` that waits until the first `arrived` bytes are durable. */
  servedWhen: { readonly id: number; readonly arrived: number } | undefined
  /** Batch bytes that arrived. */
  arrived = 0
  /** The peer has said what it holds. */
  ready = false
  blocked = false
  headsAt: Instant | undefined
  /** When to compare digests; only at the end away from the core, and at both of a mesh. */
  digestAt: Instant | undefined
  /** When both were last known to hold the same. */
  agreedAt: Instant | undefined
  /** Documents of which something from the peer was passed over, since their writer was retired. */
  readonly passedOver: Set<string> = new Set()
  readonly #self: string
  readonly #documents: (id: string) => ReplicatedDocument | undefined
  readonly #cursors = new Map<string, Map<number, Cursor>>()
  readonly #queues = [new Map<string, ReplicatedDocument>(), new Map<string, ReplicatedDocument>(), new Map<string, ReplicatedDocument>()]
  /** Documents of which the peer said in its last round, or showed since, that it holds something. */
  #mentioned = new Set<string>()
  #round = new Map<string, LogPoint[]>()
  /** What the peer showed and we had, but not on disk yet; it came another way, or before the session. */
  readonly #owed = new Map<string, Head>()
  #sent = 0
  #acknowledged = 0

  constructor({ number, peer, relation, self, documents }: SyncSessionOptions) {
    this.number = number
    this.peer = peer
    this.relation = relation
    this.#self = self
    this.#documents = documents
  }

  /** What an acknowledgement of this peer is worth. */
  get holder(): Holder {
    if (this.peerIsCore) return 'hub'
    return this.relation === 'down' ? 'peer' : 'above'
  }

  get idle(): boolean {
    return this.#queues.every(({ size }) => size === 0)
  }

  queues(document: ReplicatedDocument): boolean {
    return this.#queues.some((queue) => queue.has(document.id))
  }

  /** Batch bytes that were sent. */
  get sent(): number {
    return this.#sent
  }

  /** Number of documents in the round of heads that is being received. */
  get roundSize(): number {
    return this.#round.size
  }

  /** Whether batches of this document go to the peer at all: also to whoever shows something of a writer that it retires. */
  offers(document: ReplicatedDocument): boolean {
    if (this.relation === 'up' || document.writer === this.peer) return true
    if (this.interest.matches(document.collection, document.partition)) return true
    const { collection, partition } = document
    return document.seals.some(({ writer }) => this.#mentioned.has(documentId({ collection, partition, writer })))
  }

  /** The peer has all of it on its disk. */
  gotAll(document: ReplicatedDocument): boolean {
    return this.ready && this.offers(document) && this.#sent === this.#acknowledged && !this.#next(document)
  }

  /** Whether the peer should hold the document if we do, or does anyway. */
  shares(document: ReplicatedDocument): boolean {
    return this.#mentioned.has(document.id) || this.offers(document)
  }

  mentioned(id: string): boolean {
    return this.#mentioned.has(id)
  }

  /** The peer's newest interest. */
  wants({ id, patterns, core }: SyncPart & { readonly type: 'interest' }): void {
    this.interest = new Interest(patterns)
    this.interestId = id
    this.peerIsCore = core
    // What the peer holds follows at once; until then nothing may be called served.
    this.ready = false
  }

  /** What to tell the peer of documents that we hold: all to those above, and what concerns them to those below. */
  pointsOf(documents: Iterable<ReplicatedDocument>): SyncPoint[] {
    const points: SyncPoint[] = []
    for (const document of documents) {
      if (this.relation === 'down' && !this.shares(document)) continue
      for (const { epoch, seq, link } of document.frontier('durable')) points.push({ log: this.logs.reference(document, epoch), seq, link })
    }
    return points
  }

  /** What the points of a message name, by document; `undefined` if the peer names what it never introduced. */
  headsOf(points: readonly SyncPoint[]): Head[] | undefined {
    const heads = new Map<string, { readonly head: Head; readonly points: LogPoint[] }>()
    for (const { log, seq, link } of points) {
      const name = this.logs.resolve(log)
      if (!name) return undefined
      const { collection, partition, writer, epoch } = name
      const id = documentId(name)
      let found = heads.get(id)
      if (!found) {
        const list: LogPoint[] = []
        heads.set(id, (found = { head: { collection, partition, writer, points: list }, points: list }))
      }
      found.points.push({ epoch, seq, link })
    }
    return [...heads.values()].map(({ head }) => head)
  }

  addToRound(heads: readonly Head[]): void {
    // A document whose points were cut in two goes on where it was.
    for (const head of heads) this.#round.set(documentId(head), [...(this.#round.get(documentId(head)) ?? []), ...head.points])
  }

  /** The round is complete: takes it as what the peer holds, but for what was still on the way. */
  finishRound(processed: number): void {
    const round = this.#round
    this.#round = new Map()
    for (const [id, cursors] of this.#cursors) {
      for (const [epoch, cursor] of cursors) if (cursor.offset <= processed) cursors.delete(epoch)
      if (cursors.size === 0) this.#cursors.delete(id)
    }
    for (const [id, points] of round) this.#hold(id, points, 0)
    this.ready = true
    this.#mentioned = new Set(round.keys())
  }

  /** Batches of these came from the peer. */
  gave(documents: readonly { readonly id: string }[]): void {
    for (const { id } of documents) this.#mentioned.add(id)
  }

  /** The peer has these batches: it sent them, or says so. */
  holds(heads: readonly Head[]): void {
    for (const head of heads) {
      const id = documentId(head)
      this.#mentioned.add(id)
      this.#hold(id, head.points, 0)
    }
  }

  /** The peer shows these: it is to hear when those that are here are durable, since it need not send them. */
  shown(heads: readonly Head[]): void {
    for (const head of heads) {
      const document = this.#documents(documentId(head))
      const points = head.points.filter((point) => document?.holds(point) && !document.holdsDurably(point))
      if (points.length > 0) this.#owed.set(documentId(head), { ...head, points })
    }
  }

  get owes(): boolean {
    return this.#owed.size > 0
  }

  /** Which of them are durable now, and were not before. */
  takeOwed(document: ReplicatedDocument): Head[] {
    const head = this.#owed.get(document.id)
    if (!head) return []
    const [durable, rest] = [true, false].map((is) => head.points.filter((point) => document.holdsDurably(point) === is))
    if (rest?.length) this.#owed.set(document.id, { ...head, points: rest })
    else this.#owed.delete(document.id)
    return durable?.length ? [{ ...head, points: durable }] : []
  }

  /** False if the peer claims what cannot be. */
  acknowledge(processed: number): boolean {
    if (processed > this.#sent || processed < this.#acknowledged) return false
    this.#acknowledged = processed
    return true
  }

  /** Puts a document in the queue if the peer lacks something of it, and says so. */
  offer(document: ReplicatedDocument): boolean {
    if (!this.ready || !this.offers(document) || !this.#next(document)) return false
    this.#queues[PRIORITIES.get(document.collection) ?? BULK]?.set(document.id, document)
    return true
  }

  /** The batches of the next message, or none: nothing to send, or no credit. */
  take(): Uint8Array[] {
    const batches: Uint8Array[] = []
    let bytes = 0
    for (const [priority, queue] of this.#queues.entries()) {
      const credit = CREDIT_BYTES + (priority < BULK ? RESERVE_BYTES : 0)
      for (const [id, document] of queue) {
        for (let batch = this.#next(document); batch; batch = this.#next(document)) {
          const encoded = document.encodedFor(batch, ({ epoch, seq }) => (this.#cursors.get(id)?.get(epoch)?.seq ?? 0) >= seq)
          const size = encoded.length
          if (bytes > 0 && bytes + size > MESSAGE_BYTES) return batches
          const unacknowledged = this.#sent - this.#acknowledged
          if (unacknowledged > 0 && unacknowledged + size > credit) return batches
          batches.push(encoded)
          bytes += size
          this.#sent += size
          this.#hold(id, [batch], this.#sent)
        }
        queue.delete(id)
      }
    }
    return batches
  }

  /** Invariant 4. */
  #next(document: ReplicatedDocument): Batch | undefined {
    const cursors = this.#cursors.get(document.id)
    const isOwn = document.writer === this.#self
    const seqOf = (epoch: number): number => cursors?.get(epoch)?.seq ?? 0
    for (const log of document.logsFor(seqOf)) {
      const seq = seqOf(log.epoch)
      if (seq < (isOwn ? log.durable : log.seq)) return log.at(seq + 1)
    }
    return undefined
  }

  #hold(id: string, points: readonly LogPoint[], offset: number): void {
    const cursors = this.#cursors.get(id) ?? new Map<number, Cursor>()
    const held = this.#documents(id)?.closure(points) ?? new Map(points.map(({ epoch, seq }) => [epoch, seq]))
    for (const [epoch, seq] of held) {
      const before = cursors.get(epoch)
      if (!before || before.seq < seq) cursors.set(epoch, { seq, offset })
    }
    if (cursors.size > 0) this.#cursors.set(id, cursors)
  }
}
