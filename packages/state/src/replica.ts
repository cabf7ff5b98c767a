/**
 * The replica: what a node holds of the network's records, a machine that composes writer, documents and sync.
 *
 * A batch goes the same way whether we or a peer made it: through the gate into its document, into a ticket of the
 * store, and, when that is durable, out to readers and to the caller who waits. Our own go to peers only then as well.
 *
 *  1. Nothing is shown or acknowledged before it is durable, and nothing of our own is sent before.
 *  2. Replicas that hold the same batches show the same records.
 *  3. A peer's fault is a violation; it changes nothing and stops nothing.
 */
import {
  CausewayError,
  type Instant,
  type Machine,
  type RecordView,
  type ReplicaView,
  type StoreEntry,
  earliest,
  invariant,
} from '@causeway/protocol'
import { AwaitedWrites } from './awaited-writes.ts'
import { Backlog } from './backlog.ts'
import { type LogPoint, decodeBatch } from './batch.ts'
import { batchEntry, cleanEntry, dropEntries, formatEntry } from './batch-store.ts'
import { Documents } from './documents.ts'
import type { Entry } from './entry.ts'
import { Expiries } from './expiries.ts'
import { HybridClock } from './hybrid-clock.ts'
import { loadDocuments } from './loader.ts'
import type { Shown } from './partition.ts'
import type { ReplicaConfig, ReplicaEffect, ReplicaEnvironment, ReplicaInput, Signer } from './replica-contract.ts'
import { ReplacedLogs } from './replaced-logs.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { Head } from './sync-message.ts'
import type { SyncSession } from './sync-session.ts'
import { Sync } from './sync.ts'
import { type Ticket, Tickets } from './tickets.ts'
import { decodeToken, encodeToken } from './token.ts'
import { Writer } from './writer.ts'
import { WriterCredentials } from './writer-credentials.ts'

/** A document and how far each of its logs is durable. */
export interface DocumentHeads {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  readonly logs: readonly LogPoint[]
}

/** Documents of the replica; a peer cannot make it hold more. */
const DOCUMENTS_MAX = 200_000

interface Received {
  readonly entries: StoreEntry[]
  readonly points: Map<string, LogPoint & { readonly document: ReplicatedDocument }>
  readonly changed: Map<ReplicatedDocument, Set<string>>
}

export class Replica implements Machine<ReplicaInput, ReplicaEffect> {
  readonly #config: ReplicaConfig
  readonly #crypto: Signer
  readonly #documents: Documents
  readonly #clock = new HybridClock()
  readonly #backlog = new Backlog()
  readonly #tickets = new Tickets()
  readonly #expiries = new Expiries()
  readonly #replaced: ReplacedLogs
  readonly #writer: Writer
  readonly #sync: Sync
  #wallOffsetMs: number
  /** Effects of the start, given out with the first input. */
  #startup: ReplicaEffect[]
  #startedAt: Instant
  /** The store carries the mark of a clean stop, as of the last ticket. */
  #marked: boolean
  readonly #awaited = new AwaitedWrites(this.#backlog)
  /** Peers have told since the start what they hold of ours, and it has arrived. */
  #informed = false

  /** Throws `CausewayError` if the store cannot be read. */
  constructor(config: ReplicaConfig, environment: ReplicaEnvironment, stored: Iterable<StoreEntry>) {
    const { crypto, random, now, wallOffsetMs, vitals } = environment
    this.#config = config
    this.#crypto = crypto
    this.#wallOffsetMs = wallOffsetMs
    this.#startedAt = now
    const credentials = new WriterCredentials(crypto, config.authorityKey)
    const own = credentials.check(config.credential)
    invariant(typeof own !== 'string', `our own credential is good${typeof own === 'string' ? `: ${own}` : ''}`)
    this.#documents = new Documents(crypto, credentials)
    this.#replaced = new ReplacedLogs(this.#documents)
    const loaded = loadDocuments(crypto, stored, this.#documents, (entry) => this.#clock.receive(entry, now + wallOffsetMs))
    this.#marked = loaded.hasCleanMark
    this.#writer = new Writer(config, own, this.#documents, this.#clock, random, loaded.cleanEpoch)
    this.#sync = new Sync(config, this.#documents, this.#backlog, random, vitals)
    this.#startup = [...loaded.events]
    const entries: StoreEntry[] = [...loaded.quarantined.map((key) => ({ key, value: undefined })), ...loaded.dropped.flatMap(dropEntries)]
    if (loaded.isNew) entries.unshift(formatEntry(crypto))
    if (entries.length > 0) this.#startup.push(this.#tickets.add(entries, { written: [], points: [], records: [] }))
    this.#showStored(now)
  }

  handle(now: Instant, input: ReplicaInput): ReplicaEffect[] {
    const effects = this.#startup
    this.#startup = []
    effects.push(...this.#handle(now, input), ...this.#awaited.late(), ...this.#expire(now), ...this.#dropReplaced(now))
    this.#informed ||= this.#sync.informed
    const due = this.#writer.dueAt
    if (due !== undefined && due <= now) effects.push(...this.#flush(now))
    return effects
  }

  nextWake(): Instant | undefined {
    const started = this.#startup.length > 0 ? this.#startedAt : undefined
    const expiry = this.#expiries.nextWake(this.#wallOffsetMs)
    return [this.#writer.dueAt, this.#sync.nextWake(), this.#replaced.nextWake(), expiry].reduce(earliest, started)
  }

  get(collection: string, partition: string, key: string): RecordView | undefined {
    return this.#documents.partition(collection, partition)?.get(key)
  }

  /** Sorted by partition and key. */
  list(collection: string, partition?: string): readonly RecordView[] {
    if (partition !== undefined) return this.#documents.partition(collection, partition)?.records() ?? []
    return this.#documents.partitions(collection).flatMap((each) => each.records())
  }

  /** Partitions of which anything is held, sorted. */
  partitionsOf(collection: string): string[] {
    return this.#documents.partitions(collection).map(({ name }) => name)
  }

  view(now: Instant): ReplicaView {
    let records = 0
    for (const partition of this.#documents.allPartitions()) records += partition.live
    const { count: pending } = this.#backlog
    return { documents: this.#documents.size, records, pending, lagMs: this.#backlog.lagMs(now), sessions: this.#sync.peers }
  }

  /** Names what readers are shown: the same wherever the same batches are durable. Opaque. */
  token(): string {
    return this.#documents.digest()
  }

  /** Names what readers are shown of one partition; holds at any replica. Opaque. */
  partitionToken(collection: string, partition: string): string {
    const points = new Map<string, LogPoint[]>()
    for (const [writer, document] of this.#documents.partition(collection, partition)?.documents ?? []) {
      const ends = document.frontier('durable')
      if (ends.length > 0) points.set(writer, ends)
    }
    return encodeToken({ collection, partition, points })
  }

  /** Whether readers here are shown all that the token names. Throws `usage` if it is none. */
  covers(token: string): boolean {
    const { collection, partition, points } = decodeToken(token)
    const documents = this.#documents.partition(collection, partition)?.documents
    return [...points].every(([writer, ends]) => ends.every((end) => documents?.get(writer)?.holdsDurably(end) ?? false))
  }

  /**
   * What somebody missed of a partition who had seen what the token names: records as they are now, and which are gone. Throws
   * `usage` if it is no token of that partition.
   */
  changedSince(collection: string, partition: string, token: string): Shown[] {
    const { points, ...of } = decodeToken(token)
    if (of.collection !== collection || of.partition !== partition) {
      const told = `the token is of ${of.collection}/${of.partition}, not of ${collection}/${partition}`
      throw new CausewayError('usage', told, 'use it where it came from')
    }
    const found = this.#documents.partition(collection, partition)
    const seen = new Map([...points].map(([writer, ends]) => [writer, found?.documents.get(writer)?.closure(ends)]))
    return found?.changedSince(({ writer, epoch, seq }) => (seen.get(writer)?.get(epoch) ?? 0) >= seq) ?? []
  }

  /** Every session towards the core has served its initial state, or there never was one. */
  complete(): boolean {
    return this.#sync.complete
  }

  /** Over records and delete marks; independent of the order in which they came. */
  contentHash(collection: string, partition: string): string {
    return this.#documents.partition(collection, partition)?.contentHash(this.#crypto) ?? ''
  }

  heads(): DocumentHeads[] {
    return [...this.#documents.all()].map((document) => {
      const { collection, partition, writer } = document
      const logs = document.logs().map(({ epoch, durable }) => ({ epoch, seq: durable }))
      return { collection, partition, writer, logs: logs.filter(({ seq }) => seq > 0) }
    })
  }

  #handle(now: Instant, input: ReplicaInput): ReplicaEffect[] {
    switch (input.type) {
      case 'wake':
        return this.#sync.wake(now)
      case 'wall':
        this.#wallOffsetMs = input.offsetMs
        return []
      case 'write': {
        const refusal = this.#writer.write(now, now + this.#wallOffsetMs, input)
        return refusal ? [refusal] : []
      }
      case 'persisted':
        return this.#tickets.persisted(input.ticket).flatMap((ticket) => this.#release(now, ticket))
      case 'sessionOpened':
        return this.#sync.opened(now, input.session, input.peer, input.relation)
      case 'sessionMessage':
        return this.#onMessage(now, input.session, input.message)
      case 'sessionClosed':
        return this.#sync.closed(now, input.session)
      case 'sessionBlocked':
      case 'sessionDrained':
        return this.#sync.blocked(input.session, input.type === 'sessionBlocked', now)
      case 'flush':
        return [...this.#flush(now), this.#stop()]
    }
  }

  /** Makes batches of the gathered writes and hands them to the store. */
  #flush(now: Instant): ReplicaEffect[] {
    const { written, batches, folds } = this.#writer.flush(now, now + this.#wallOffsetMs, this.#informed)
    const refusals = written.filter(({ document }) => !document).map(({ effect }) => effect)
    if (batches.length + folds.length === 0) return refusals
    const entries: StoreEntry[] = []
    if (this.#marked) entries.push(cleanEntry(this.#crypto, undefined))
    this.#marked = false
    const changed = new Map<ReplicatedDocument, Set<string>>()
    for (const { document, entries: own } of batches) changed.set(document, new Set(own.map(({ key }) => key)))
    for (const { document, batch } of [...batches, ...folds]) {
      entries.push(batchEntry(this.#crypto, batch))
      this.#backlog.add(now, document, batch)
    }
    const points = [...batches, ...folds].map(({ document, batch: { epoch, seq } }) => ({ document, epoch, seq }))
    const accepted = written.filter(({ document }) => document)
    return [...refusals, this.#tickets.add(entries, { written: accepted, points, records: this.#recordsOf(changed) })]
  }

  #stop(): ReplicaEffect {
    const epoch = this.#writer.cleanEpoch
    const entries = epoch === undefined ? [] : [cleanEntry(this.#crypto, epoch)]
    this.#marked ||= entries.length > 0
    return this.#tickets.add(entries, { written: [], points: [], records: [], flush: true })
  }

  /** A ticket is durable: says and shows what waited for it. */
  #release(now: Instant, ticket: Ticket): ReplicaEffect[] {
    const { written, points, records, origin, flush } = ticket
    for (const { document, epoch, seq } of points) {
      this.#documents.becameDurable(document, epoch, seq)
      this.#replaced.look(now, document)
    }
    const effects: ReplicaEffect[] = this.#awaited.answer(written)
    for (const { document, merged } of records) {
      const partition = this.#documents.partitionOf(document)
      const shown = partition.show(merged, now + this.#wallOffsetMs)
      if (shown) effects.push({ type: 'change', ...shown, collection: document.collection })
      this.#expiries.watch(partition, merged.base)
    }
    // Passed on first: what is then called served to a peer below must have left before.
    if (written.some(({ durability }) => durability !== 'local')) this.#sync.hasten()
    if (points.length > 0) effects.push(...this.#sync.durable(new Set(points.map(({ document }) => document)), origin, now))
    if (origin) effects.push(...this.#sync.processed(origin.session, origin.bytes, points.map(headOf), now))
    if (flush) effects.push({ type: 'flushed' })
    return effects
  }

  #dropReplaced(now: Instant): ReplicaEffect[] {
    const entries = this.#replaced.drop(now)
    return entries.length === 0 ? [] : [this.#tickets.add(entries, { written: [], points: [], records: [] })]
  }

  #expire(now: Instant): ReplicaEffect[] {
    const wallMs = now + this.#wallOffsetMs
    return this.#expiries.due(wallMs).flatMap(({ partition, key }) => {
      const shown = partition.expire(key, wallMs)
      return shown ? [{ type: 'change', ...shown, collection: partition.collection }] : []
    })
  }

  #onMessage(now: Instant, number: number, message: Uint8Array): ReplicaEffect[] {
    const session = this.#sync.session(number)
    if (!session) return []
    const { effects, batches, ownEpochAhead } = this.#sync.message(now, session, message)
    if (ownEpochAhead !== undefined) this.#writer.raiseAbove(ownEpochAhead)
    if (batches.length > 0) effects.push(...this.#receive(now, session, batches))
    return effects
  }

  /** Batches of one message: each through the gate, then all into one ticket. */
  #receive(now: Instant, session: SyncSession, batches: readonly Uint8Array[]): ReplicaEffect[] {
    const effects: ReplicaEffect[] = []
    const received: Received = { entries: [], points: new Map(), changed: new Map() }
    let bytes = 0
    for (const encoded of batches) {
      bytes += encoded.length
      const reason = this.#receiveBatch(now, session, encoded, received, effects)
      if (reason) effects.push({ type: 'violation', peer: session.peer, code: 'bad-batch', detail: reason })
    }
    const { number, peer, relation } = session
    const origin = { session: number, peer, relation, bytes }
    const ticket = { written: [], points: [...received.points.values()], records: this.#recordsOf(received.changed), origin }
    effects.push(
      ...this.#sync.applied(
        now,
        ticket.points.map(({ document }) => document),
        origin,
      ),
    )
    // Also without entries, so that the acknowledgement keeps its place in the order.
    effects.push(this.#tickets.add(received.entries, ticket))
    return effects
  }

  /** Takes one batch, or says why it is bad. */
  #receiveBatch(now: Instant, session: SyncSession, encoded: Uint8Array, received: Received, effects: ReplicaEffect[]): string | undefined {
    if (encoded.length > this.#batchBytesMax) return `a batch of ${encoded.length} bytes`
    const batch = decodeBatch(encoded)
    if (!batch) return 'not a batch'
    if (!this.#sync.wants(session, batch)) return undefined
    const document = this.#documents.getOrDraft(batch)
    if (this.#documents.size >= DOCUMENTS_MAX && !this.#documents.get(document.id)) return `more than ${DOCUMENTS_MAX} documents`
    const { epoch, seq } = batch
    const acceptance = document.accept(batch)
    const name = `${batch.collection}/${batch.partition} of ${batch.writer}, epoch ${epoch}, batch ${seq}`
    switch (acceptance.type) {
      case 'duplicate':
        // It may be on its way to the disk still, for a session that has ended since: this one learns when it is there.
        if (!received.points.has(`${document.id}|${epoch}`)) received.points.set(`${document.id}|${epoch}`, { document, epoch, seq })
        return undefined
      case 'bad':
        return `${name}: ${acceptance.reason}`
      case 'gap':
        this.#sync.gap(now, session)
        effects.push({ type: 'violation', peer: session.peer, code: 'unexpected', detail: `${name}: ${acceptance.reason}` })
        return undefined
      case 'applied':
        break
    }
    this.#documents.keep(document)
    if (batch.writer === this.#config.writer) this.#writer.raiseAbove(epoch)
    for (const entry of acceptance.entries) this.#observe(now, entry, effects)
    received.entries.push(batchEntry(this.#crypto, acceptance.batch))
    received.points.set(`${document.id}|${epoch}`, { document, epoch, seq })
    const changed = received.changed.get(document)
    if (changed) for (const key of acceptance.changed) changed.add(key)
    else received.changed.set(document, new Set(acceptance.changed))
    return undefined
  }

  #observe(now: Instant, entry: Entry, effects: ReplicaEffect[]): void {
    const wallMs = now + this.#wallOffsetMs
    if (this.#clock.receive(entry, wallMs)) return
    const data = { writer: entry.writer, key: entry.key, aheadMs: entry.ms - Math.floor(wallMs) }
    effects.push({ type: 'event', name: 'stamp-ahead', data })
  }

  /** Twice a gathering of writes that ends with one of the largest records, since encodings differ in size. */
  get #batchBytesMax(): number {
    return 2 * this.#config.limits.recordBytesMax + 256 * 1024
  }

  #recordsOf(changed: ReadonlyMap<ReplicatedDocument, ReadonlySet<string>>): Ticket['records'] {
    return [...changed].flatMap(([document, keys]) => {
      const partition = this.#documents.partitionOf(document)
      return [...keys].flatMap((key) => {
        const merged = partition.merged(key)
        return merged ? [{ document, merged }] : []
      })
    })
  }

  #showStored(now: Instant): void {
    for (const partition of this.#documents.allPartitions()) {
      for (const key of partition.keys()) {
        const merged = partition.merged(key)
        if (!merged) continue
        partition.show(merged, now + this.#wallOffsetMs)
        this.#expiries.watch(partition, merged.base)
      }
    }
    for (const document of this.#documents.all()) {
      if (document.writer !== this.#config.writer) continue
      for (const { epoch, durable } of document.logs())
        for (let seq = 1; seq <= durable; seq++) this.#backlog.add(now, document, { epoch, seq })
    }
  }
}

function headOf({ document, epoch, seq }: Ticket['points'][number]): Head {
  const { collection, partition, writer } = document
  return { collection, partition, writer, points: [{ epoch, seq }] }
}
