/**
 * The replica: what a node holds of the network's records, a machine that composes writer, documents and sync.
 *
 * A batch goes the same way whether we or a peer made it: through the gate into its document, and into a ticket of the
 * store. Those of peers go on to other peers and to readers at once, and are acknowledged when they are durable; ours go
 * anywhere only then.
 *
 *  1. Nothing is acknowledged before it is durable, and nothing of our own is shown or sent before.
 *  2. Replicas that hold the same batches show the same records.
 *  3. A peer's fault is a violation; it changes nothing and stops nothing.
 */
import {
  type Credential,
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
import type { LogPoint } from './batch.ts'
import { cleanEntry, dropEntries, formatEntry } from './batch-store.ts'
import { Changes } from './changes.ts'
import { Departures } from './departures.ts'
import { Documents } from './documents.ts'
import { Expiries } from './expiries.ts'
import { HybridClock } from './hybrid-clock.ts'
import { Inbox } from './inbox.ts'
import { Intake } from './intake.ts'
import { loadDocuments } from './loader.ts'
import type { Shown } from './partition.ts'
import type { ReplicaConfig, ReplicaEffect, ReplicaEnvironment, ReplicaInput, Signer } from './replica-contract.ts'
import { Readers } from './readers.ts'
import { ReplacedLogs } from './replaced-logs.ts'
import { Retirement } from './retirement.ts'
import { Revocations } from './revocations.ts'
import { SharedDocuments } from './shared-documents.ts'
import { drawClient } from './shared-gate.ts'
import { Silence } from './silence.ts'
import type { Companion } from './sync-contract.ts'
import type { Head } from './sync-message.ts'
import { Sync } from './sync.ts'
import { type Ticket, Tickets } from './tickets.ts'
import { changedSince, coversToken, tokenOf } from './partition-token.ts'
import { Writer } from './writer.ts'
import { WriterCredentials } from './writer-credentials.ts'

/** A document and how far each of its logs is durable. */
export interface DocumentHeads {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  readonly logs: readonly LogPoint[]
}

export class Replica implements Machine<ReplicaInput, ReplicaEffect> {
  /** Documents of applications; what comes to those that are open is told by effects. */
  readonly shared: SharedDocuments
  readonly #config: ReplicaConfig
  readonly #crypto: Signer
  readonly #documents: Documents
  readonly #clock = new HybridClock()
  readonly #backlog = new Backlog()
  readonly #tickets = new Tickets()
  readonly #expiries = new Expiries()
  readonly #readers: Readers
  readonly #replaced: ReplacedLogs
  readonly #writer: Writer
  readonly #sync: Sync
  readonly #vitals: Companion | undefined
  readonly #silence: Silence
  readonly #retirement: Retirement
  readonly #departures: Departures
  readonly #inbox: Inbox
  readonly #revocations: Revocations
  #wallOffsetMs: number
  /** Effects of the start, given out with the first input. */
  #startup: ReplicaEffect[]
  #startedAt: Instant
  /** The store carries the mark of a clean stop, as of the last ticket. */
  #marked: boolean
  readonly #awaited = new AwaitedWrites(this.#backlog)
  /** Peers have told since the start what they hold of ours, and it has arrived. */
  #informed = false

  /** `stored`: in the order of the keys; read once. Throws `CausewayError` if the store cannot be read. */
  constructor(config: ReplicaConfig, environment: ReplicaEnvironment, stored: Iterable<StoreEntry>) {
    const { crypto, random, now, wallOffsetMs, vitals, logPacking } = environment
    this.#config = config
    this.#crypto = crypto
    this.#wallOffsetMs = wallOffsetMs
    this.#startedAt = now
    const credentials = new WriterCredentials(crypto, config.authorityKey)
    const own = credentials.check(config.credential)
    invariant(typeof own !== 'string', `our own credential is good${typeof own === 'string' ? `: ${own}` : ''}`)
    this.#revocations = new Revocations(crypto, config.authorityKey, own.credential.network)
    this.#documents = new Documents(crypto, credentials, config.writer, logPacking)
    this.#replaced = new ReplacedLogs(this.#documents)
    const loaded = loadDocuments(crypto, stored, this.#documents, (entry) => this.#clock.receive(entry, now + wallOffsetMs))
    this.#marked = loaded.hasCleanMark
    this.#writer = new Writer(config, own, this.#documents, this.#clock, random, loaded.cleanEpoch)
    this.#sync = new Sync(config, this.#documents, this.#backlog, random, vitals)
    this.#vitals = vitals
    this.shared = new SharedDocuments(this.#documents, () => drawClient(crypto, config.writer, random))
    this.#readers = new Readers({ documents: this.#documents, shared: this.shared, expiries: this.#expiries, tickets: this.#tickets })
    this.#silence = new Silence(config.limits.retireAfterMs, now, now + wallOffsetMs, loaded.heard)
    const trade = { config, crypto, documents: this.#documents, clock: this.#clock, writer: this.#writer, sync: this.#sync }
    const parts = { ...trade, silence: this.#silence }
    const rest = { backlog: this.#backlog, awaited: this.#awaited, tickets: this.#tickets, unmark: () => this.#unmark() }
    this.#retirement = new Retirement(config, now, { ...parts, ...rest })
    this.#departures = new Departures(config, now, { ...parts, ...rest })
    const intake = new Intake({ ...parts, ...rest, readers: this.#readers, retirement: this.#retirement, replaced: this.#replaced })
    this.#inbox = new Inbox({ ...parts, intake })
    this.#startup = [...loaded.events]
    const entries: StoreEntry[] = [...loaded.quarantined.map((key) => ({ key, value: undefined })), ...loaded.dropped.flatMap(dropEntries)]
    if (loaded.isNew) entries.unshift(formatEntry(crypto))
    if (entries.length > 0) this.#startup.push(this.#tickets.add(entries, { written: [], points: [], records: [] }))
    this.#startup.push(...this.#retirement.apply(now, loaded.sealed, false, now + wallOffsetMs))
    this.#showStored(now)
  }

  handle(now: Instant, input: ReplicaInput): ReplicaEffect[] {
    const effects = this.#startup
    this.#startup = []
    effects.push(...this.#handle(now, input), ...this.#awaited.late(), ...this.#expire(now), ...this.#dropReplaced(now))
    this.#informed ||= this.#sync.informed
    for (const effect of effects) if (effect.type === 'change') this.#noteRevoked(now, effect.collection, effect.record)
    effects.push(...this.#retire(now), ...this.#departures.look(now, now + this.#wallOffsetMs))
    const due = this.#writer.dueAt
    if (due !== undefined && due <= now) effects.push(...this.#flush(now))
    return effects
  }

  nextWake(): Instant | undefined {
    // Asked after every turn of the node.
    const started = this.#startup.length > 0 ? this.#startedAt : undefined
    const own = earliest(earliest(started, this.#writer.dueAt), this.#expiries.nextWake(this.#wallOffsetMs))
    const leaving = earliest(this.#replaced.nextWake(), earliest(this.#retirement.nextWake(), this.#departures.nextWake()))
    return earliest(earliest(own, earliest(this.#sync.nextWake(), this.#inbox.nextWake())), leaving)
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

  /** The authority has taken its word for that node back. */
  isRevoked(node: string): boolean {
    return this.#revocations.has(node)
  }

  /** No stamp that was given out or seen here is of a later millisecond. */
  clockMs(now: Instant): number {
    return Math.max(this.#clock.latestMs, Math.floor(now + this.#wallOffsetMs))
  }

  /** What the authority has signed about a writer of the partition; `undefined` if it never wrote there, or is retired. */
  credentialOf(collection: string, partition: string, writer: string): Credential | undefined {
    return this.#documents.partition(collection, partition)?.documents.get(writer)?.logs().at(-1)?.credential.credential
  }

  view(now: Instant): ReplicaView {
    let records = 0
    for (const partition of this.#documents.allPartitions()) records += partition.live
    // The only hub there is: its disk is as far as a write can get.
    const isOnly = this.#config.core === true && this.#silence.hubs().length === 0
    const [pending, lagMs] = isOnly ? [0, 0] : [this.#backlog.count, this.#backlog.lagMs(now)]
    return { documents: this.#documents.size, records, pending, lagMs, sessions: this.#sync.peers }
  }

  /** Names what readers are shown: the same wherever the same batches are durable. Opaque. */
  token(): string {
    return this.#documents.digest()
  }

  /** Names what readers are shown of one partition; holds at any replica. Opaque. */
  partitionToken(collection: string, partition: string): string {
    return tokenOf(this.#documents, collection, partition)
  }

  /** Whether readers here are shown all that the token names. Throws `usage` if it is none. */
  covers(token: string): boolean {
    return coversToken(this.#documents, token)
  }

  /** Somebody here, or below, wants the partition: what is held of it is kept up to date. */
  wants(collection: string, partition: string): boolean {
    return this.#sync.interest.has(collection, partition)
  }

  /**
   * What somebody missed of a partition who had seen what the token names: records as they are now, and which are gone; `undefined`
   * if nobody knows any more which are gone. Throws `usage` if it is no token of that partition.
   */
  changedSince(collection: string, partition: string, token: string): Shown[] | undefined {
    return changedSince(this.#documents, collection, partition, token)
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
        return [...this.#sync.wake(now), ...this.#inbox.wake(now, now + this.#wallOffsetMs)]
      case 'wall':
        this.#wallOffsetMs = input.offsetMs
        this.#clock.set(now + input.offsetMs)
        return []
      case 'interest':
        return this.#sync.want(now, input.patterns)
      case 'write':
      case 'writes':
        return (input.type === 'write' ? [input] : input.writes).flatMap(
          (write) => this.#writer.write(now, now + this.#wallOffsetMs, write) ?? [],
        )
      case 'writeShared': {
        const refusal = this.#writer.writeShared(now, now + this.#wallOffsetMs, input)
        return refusal ? [refusal] : []
      }
      case 'persisted': {
        const effects = this.#tickets.persisted(input.ticket).flatMap((ticket) => this.#release(now, ticket))
        this.#writer.storing(now, this.#tickets.holdsWrites)
        return effects
      }
      case 'sessionOpened':
        return this.#sync.opened(now, input.session, input.peer, input.relation)
      case 'sessionMessage':
        return this.#inbox.message(now, now + this.#wallOffsetMs, input.session, input.message)
      case 'sessionClosed':
        this.#inbox.closed(input.session)
        return this.#sync.closed(now, input.session)
      case 'sessionBlocked':
      case 'sessionDrained':
        return this.#sync.blocked(now, input.session, input.type === 'sessionBlocked')
      case 'flush':
        this.#writer.abandonFolds()
        return [...this.#flush(now), this.#stop()]
    }
  }

  /** Makes batches of the gathered writes and hands them to the store. */
  #flush(now: Instant): ReplicaEffect[] {
    const { written, batches, folds, swept } = this.#writer.flush(now, now + this.#wallOffsetMs, {
      informed: this.#informed,
      seesAll: ({ collection, name }) => this.#sync.interest.has(collection, name) && this.#sync.isServed,
    })
    const refusals = written.filter(({ document }) => !document).map(({ effect }) => effect)
    if (batches.length + folds.length === 0) return refusals
    const changes = new Changes(this.#crypto)
    changes.entries.push(...this.#unmark())
    for (const { document, entries } of batches) {
      const partition = this.#documents.partitionOf(document)
      if (entries.some(({ kind }) => kind === 'mark')) this.#writer.sweepSoon(now, partition)
      changes.touch(
        partition,
        entries.map(({ key }) => key),
      )
    }
    for (const [partition, keys] of swept) changes.touch(partition, keys)
    for (const { document, batch } of [...batches, ...folds]) {
      changes.add(document, batch)
      this.#backlog.add(now, document, batch)
    }
    for (const document of new Set(folds.map((fold) => fold.document))) changes.drop(this.#replaced.erase(document))
    const accepted = written.filter(({ document }) => document)
    const persist = this.#tickets.add(changes.entries, { written: accepted, ...changes.ticket() })
    this.#writer.storing(now, this.#tickets.holdsWrites)
    return [...refusals, persist]
  }

  /** The mark of a clean stop goes before anything of ours is written. */
  #unmark(): StoreEntry[] {
    const entries = this.#marked ? [cleanEntry(this.#crypto, undefined)] : []
    this.#marked = false
    return entries
  }

  #stop(): ReplicaEffect {
    const epoch = this.#writer.cleanEpoch
    const entries = epoch === undefined ? [] : [cleanEntry(this.#crypto, epoch)]
    this.#marked ||= entries.length > 0
    return this.#tickets.add(entries, { written: [], points: [], records: [], flush: true })
  }

  /** A ticket is durable: says and shows what waited for it. */
  #release(now: Instant, ticket: Ticket): ReplicaEffect[] {
    const { written, points, origin, flush } = ticket
    for (const { document, epoch, seq } of points) {
      this.#documents.becameDurable(document, epoch, seq)
      this.#replaced.look(now, document)
    }
    const effects: ReplicaEffect[] = this.#awaited.answer(written)
    if (!ticket.isShown) effects.push(...this.#readers.show(now + this.#wallOffsetMs, ticket))
    // Passed on first: what is then called served to a peer below must have left before.
    if (written.some(({ durability }) => durability !== 'local')) this.#sync.hasten()
    if (points.length > 0) effects.push(...this.#sync.durable(now, new Set(points.map(({ document }) => document)), origin))
    if (origin) effects.push(...this.#sync.processed(now, origin.session, origin.bytes, points.map(headOf)))
    if (flush) effects.push({ type: 'flushed' })
    return effects
  }

  #dropReplaced(now: Instant): ReplicaEffect[] {
    const entries = this.#replaced.drop(now, (document) => this.#sync.isSending(document))
    return entries.length === 0 ? [] : [this.#tickets.add(entries, { written: [], points: [], records: [] })]
  }

  /** Writers whose time has come. */
  #retire(now: Instant): ReplicaEffect[] {
    return this.#retirement.look(now, {
      wallMs: now + this.#wallOffsetMs,
      informed: this.#informed,
      hubs: () => this.#sync.hubs,
      top: this.#sync.isTop,
      heard: () => (this.#vitals?.views?.(now) ?? []).map(({ identity: { name }, ageMs }) => ({ name, ageMs })),
    })
  }

  #expire(now: Instant): ReplicaEffect[] {
    const wallMs = now + this.#wallOffsetMs
    return this.#expiries.due(wallMs).flatMap(({ partition, key }) => {
      const shown = partition.expire(key, wallMs)
      return shown ? [{ type: 'change', ...shown, collection: partition.collection }] : []
    })
  }

  #noteRevoked(now: Instant, collection: string, record: RecordView): void {
    if (this.#revocations.learn(collection, record)) this.#retirement.revoke(now, record.key)
  }

  #showStored(now: Instant): void {
    for (const partition of this.#documents.allPartitions()) {
      for (const key of partition.keys()) {
        const merged = partition.merged(key)
        if (!merged) continue
        const shown = partition.show(key, merged, now + this.#wallOffsetMs)
        if (shown) this.#noteRevoked(now, partition.collection, shown.record)
        if (merged.base.kind === 'mark') this.#writer.sweepSoon(now, partition)
        this.#expiries.watch(partition, merged.base)
      }
    }
    for (const document of this.#documents.all()) {
      if (document.writer !== this.#config.writer) continue
      if (document.hasOpenFold) this.#writer.foldSoon(now, document)
      for (const { epoch, durable } of document.logs())
        for (let seq = 1; seq <= durable; seq++) this.#backlog.add(now, document, { epoch, seq })
    }
  }
}

function headOf({ document, epoch, seq }: Ticket['points'][number]): Head {
  const { collection, partition, writer } = document
  return { collection, partition, writer, points: [{ epoch, seq }] }
}
