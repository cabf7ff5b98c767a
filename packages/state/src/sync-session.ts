/**
 * One session with one peer: what the peer wants, what it is known to hold, what is on the way to it.
 *
 *  1. A batch is sent after every earlier one of its log, and at most once, unless the peer's heads show that it got
 *     lost there.
 *  2. At most `CREDIT_BYTES` are on the way and not yet acknowledged, or a single larger batch.
 *  3. Nothing is sent before the peer has said what it holds.
 */
import type { Instant } from '@causeway/protocol'
import { type Batch, type LogPoint, documentId } from './batch.ts'
import { Interest } from './interest.ts'
import type { Relation } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { type Head, MESSAGE_BYTES } from './sync-message.ts'

const CREDIT_BYTES = 256 * 1024

/** How far the peer is in a log: batch `seq`, which left when `offset` bytes had been sent in this session. */
interface Cursor {
  readonly seq: number
  readonly offset: number
}

export class SyncSession {
  readonly number: number
  readonly peer: string
  readonly relation: Relation
  interest: Interest = new Interest([])
  /** Of the peer's newest interest; 0 before the first. */
  interestId = 0
  /** The peer's newest interest that we have told it is served. */
  servedId = 0
  /** Our newest interest that the peer has told us is served, once what it sent is durable here. */
  servedToUs = 0
  /** A `served` that waits until the first `arrived` bytes are durable. */
  servedWhen: { readonly id: number; readonly arrived: number } | undefined
  /** Batch bytes that arrived, and those which we are done with. */
  arrived = 0
  processed = 0
  /** The peer has said what it holds. */
  ready = false
  /** Documents of which the peer said in its last round that it holds something. */
  mentioned: ReadonlySet<string> = new Set()
  blocked = false
  nextHeadsAt: Instant | undefined
  readonly #documents: (id: string) => ReplicatedDocument | undefined
  readonly #cursors = new Map<string, Map<number, Cursor>>()
  readonly #queue = new Map<string, ReplicatedDocument>()
  #round = new Map<string, Head>()
  #sent = 0
  #acknowledged = 0

  constructor(number: number, peer: string, relation: Relation, documents: (id: string) => ReplicatedDocument | undefined) {
    this.number = number
    this.peer = peer
    this.relation = relation
    this.#documents = documents
  }

  get idle(): boolean {
    return this.#queue.size === 0
  }

  /** Number of documents in the round of heads that is being received. */
  get roundSize(): number {
    return this.#round.size
  }

  /** Whether batches of this document go to the peer at all. */
  offers(document: ReplicatedDocument): boolean {
    if (this.relation === 'up' || document.writer === this.peer) return true
    return this.interest.matches(document.collection, document.partition)
  }

  addToRound(heads: readonly Head[]): void {
    for (const head of heads) this.#round.set(documentId(head), head)
  }

  /** The round is complete: takes it as what the peer holds, but for what was still on the way. */
  finishRound(processed: number): void {
    const round = this.#round
    this.#round = new Map()
    for (const [id, cursors] of this.#cursors) {
      for (const [epoch, cursor] of cursors) if (cursor.offset <= processed) cursors.delete(epoch)
      if (cursors.size === 0) this.#cursors.delete(id)
    }
    for (const head of round.values()) this.#hold(documentId(head), head.points, 0)
    this.ready = true
    this.mentioned = new Set(round.keys())
  }

  /** The peer has these batches: it sent them, or says so. */
  holds(heads: readonly Head[]): void {
    for (const head of heads) this.#hold(documentId(head), head.points, 0)
  }

  /** False if the peer claims what cannot be. */
  acknowledge(processed: number): boolean {
    if (processed > this.#sent || processed < this.#acknowledged) return false
    this.#acknowledged = processed
    return true
  }

  /** Puts a document in the queue if the peer lacks something of it. */
  offer(document: ReplicatedDocument): void {
    if (this.ready && this.offers(document) && this.#lacks(document)) this.#queue.set(document.id, document)
  }

  /** The batches of the next message, or none: nothing to send, or no credit. */
  take(): Batch[] {
    const batches: Batch[] = []
    let bytes = 0
    for (const [id, document] of this.#queue) {
      for (let batch = this.#next(document); batch; batch = this.#next(document)) {
        const size = batch.encoded.length
        if (bytes > 0 && bytes + size > MESSAGE_BYTES) return batches
        const unacknowledged = this.#sent - this.#acknowledged
        if (unacknowledged > 0 && unacknowledged + size > CREDIT_BYTES) return batches
        batches.push(batch)
        bytes += size
        this.#sent += size
        this.#hold(id, [batch], this.#sent)
      }
      this.#queue.delete(id)
    }
    return batches
  }

  #next(document: ReplicatedDocument): Batch | undefined {
    const cursors = this.#cursors.get(document.id)
    for (const log of document.logs()) {
      const seq = cursors?.get(log.epoch)?.seq ?? 0
      if (seq < log.durable) return log.at(seq + 1)
    }
    return undefined
  }

  #lacks(document: ReplicatedDocument): boolean {
    return this.#next(document) !== undefined
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
