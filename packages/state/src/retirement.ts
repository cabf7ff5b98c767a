/**
 * Retirement: a writer that has been silent for very long, or is revoked, must not hold others up for ever (nobody forgets a
 * delete before every writer has seen it), and its logs must not be carried for ever. A hub seals it: it folds its own document
 * of the partition with all that is live of the writer's, stamps and all, and says in the head of the fold how far it knew it.
 * Whoever has that fold drops the writer's logs.
 *
 *  1. A hub retires only while all hubs that it ever knew are there, and of these the one with the lowest name does: a hub that is
 *     cut off takes everybody else for silent. So a hub is never retired for its silence; one that is gone for good must be revoked.
 *  2. Records do not change by it: what is dropped has been republished in the same fold.
 *  3. A hub that holds more of a retired writer than the seal knows of republishes that as well: what was durable at a hub stays,
 *     unless the hub was away for so long itself that it is retired too.
 *  4. Who finds itself retired begins a new epoch, and hears which of its writes nobody had.
 */
import { type Instant, type StoreEntry, after, instant } from '@causeway/protocol'
import type { AwaitedWrites } from './awaited-writes.ts'
import type { Backlog } from './backlog.ts'
import { Changes } from './changes.ts'
import type { Documents, Sealed } from './documents.ts'
import type { Entry } from './entry.ts'
import type { Log } from './log.ts'
import type { ReplicaConfig, ReplicaEffect, Signer } from './replica-contract.ts'
import type { OwnBatch, ReplicatedDocument } from './replicated-document.ts'
import type { Silence } from './silence.ts'
import type { Tickets } from './tickets.ts'
import type { Writer } from './writer.ts'

/** How often a hub looks who is there, as a part of the horizon, and at the least: the memory of vitals lasts an hour. */
const LOOK_RATIO = 1 / 30
const LOOK_MS_MAX = 1_800_000
/** While something of a revoked writer is left. */
const REVOKED_MS = 2_000
/** Documents that are sealed in one go. */
const AT_ONCE = 100
/** Lost writes that are named one by one. */
const NAMED_MAX = 100

export interface Surroundings {
  readonly wallMs: number
  /** Peers have told what they hold of our documents. */
  readonly informed: boolean
  /** Other hubs that are there. */
  readonly hubs: () => readonly string[]
  /** This is a hub of the first tier. */
  readonly top: boolean
  /** Nodes that tell their vitals, and how long ago they last did. */
  readonly heard: () => Iterable<{ readonly name: string; readonly ageMs: number }>
}

export interface RetirementParts {
  readonly crypto: Signer
  readonly documents: Documents
  readonly writer: Writer
  readonly backlog: Backlog
  readonly awaited: AwaitedWrites
  readonly silence: Silence
  readonly tickets: Tickets
  /** What has to be written before a batch of ours is. */
  readonly unmark: () => readonly StoreEntry[]
}

export class Retirement {
  readonly #config: ReplicaConfig
  readonly #documents: Documents
  readonly #writer: Writer
  readonly #backlog: Backlog
  readonly #awaited: AwaitedWrites
  readonly #silence: Silence
  readonly #tickets: Tickets
  readonly #crypto: Signer
  readonly #unmark: () => readonly StoreEntry[]
  readonly #revoked = new Set<string>()
  /** Seals that wait until this hub knows enough to add its own. */
  #waiting: readonly Sealed[] = []
  #lookAt: Instant | undefined

  constructor(config: ReplicaConfig, now: Instant, parts: RetirementParts) {
    this.#config = config
    this.#crypto = parts.crypto
    this.#documents = parts.documents
    this.#writer = parts.writer
    this.#backlog = parts.backlog
    this.#awaited = parts.awaited
    this.#silence = parts.silence
    this.#tickets = parts.tickets
    this.#unmark = parts.unmark
    if (config.core) this.#lookAt = after(now, this.#periodMs)
  }

  get #periodMs(): number {
    return Math.min(this.#config.limits.retireAfterMs * LOOK_RATIO, LOOK_MS_MAX)
  }

  nextWake(): Instant | undefined {
    return this.#lookAt
  }

  /** It is not to write any more: it need not be silent to be retired. */
  revoke(now: Instant, writer: string): void {
    this.#revoked.add(writer)
    if (this.#lookAt !== undefined) this.#lookAt = now
  }

  /** Seals writers whose time has come. */
  look(now: Instant, around: Surroundings): ReplicaEffect[] {
    const effects = this.#waiting.length > 0 && around.informed ? this.apply(now, [], true, around.wallMs) : []
    if (this.#lookAt === undefined || this.#lookAt > now) return effects
    this.#lookAt = after(now, this.#periodMs)
    for (const { name, ageMs } of around.heard()) this.#silence.hear(instant(now - ageMs), name)
    const done = new Outcome(this.#crypto)
    for (const name of this.#revoked) done.changes.entries.push(...this.#silence.forget(name))
    done.changes.entries.push(...this.#silence.take(this.#crypto, now, around.wallMs))
    const silent = this.#silent(now)
    if (this.#isCalled(around)) this.#sealAll(silent, around.wallMs, done)
    // Some hub is to do it soon: this one perhaps, as soon as it sees all others.
    if (silent.some(({ writer }) => this.#revoked.has(writer))) this.#lookAt = after(now, REVOKED_MS)
    return [...effects, ...this.#finish(now, done)]
  }

  /** Seals that have come with folds: what they make void goes. */
  apply(now: Instant, sealed: readonly Sealed[], informed: boolean, wallMs: number): ReplicaEffect[] {
    const done = new Outcome(this.#crypto)
    const waiting: Sealed[] = []
    // What concerns ourselves first: a fold that we make then knows of it.
    const all = [...this.#waiting, ...sealed].toSorted((a, b) => Number(this.#isSelf(b)) - Number(this.#isSelf(a)))
    for (const each of all) if (!this.#applyOne(each, informed, wallMs, done)) waiting.push(each)
    this.#waiting = waiting
    return this.#finish(now, done)
  }

  #finish(now: Instant, { changes, events, folds }: Outcome): ReplicaEffect[] {
    if (changes.isEmpty) return events
    for (const { document, batch } of folds) {
      this.#backlog.add(now, document, batch)
      this.#writer.sweepSoon(now, this.#documents.partitionOf(document))
    }
    return [...events, this.#tickets.add(changes.entries, { written: [], ...changes.ticket() })]
  }

  #isSelf({ seal }: Sealed): boolean {
    return seal.writer === this.#config.writer
  }

  /** Invariant 1. */
  #isCalled({ informed, top, ...around }: Surroundings): boolean {
    if (!informed || !top) return false
    const hubs = around.hubs()
    const { writer } = this.#config
    const all = this.#silence.hubs()
    return all.every((name) => name === writer || hubs.includes(name)) && hubs.every((name) => name > writer)
  }

  #silent(now: Instant): ReplicatedDocument[] {
    const { writer: self, limits } = this.#config
    const silent: ReplicatedDocument[] = []
    for (const document of this.#documents.all()) {
      const { writer, collection, partition } = document
      if (writer === self || document.isShared || !this.#writer.mayWrite(collection, partition)) continue
      if (this.#silence.silentMs(now, writer) < limits.retireAfterMs && !this.#revoked.has(writer)) continue
      if (silent.push(document) === AT_ONCE) break
    }
    return silent
  }

  #sealAll(documents: readonly ReplicatedDocument[], wallMs: number, done: Outcome): void {
    for (const document of documents) this.#takeOver(document, document.logs(), wallMs, done)
  }

  /** False if it has to wait. */
  #applyOne({ partition, seal, by }: Sealed, informed: boolean, wallMs: number, done: Outcome): boolean {
    const document = partition.documents.get(seal.writer)
    const logs = document?.voidUnder(seal.epoch) ?? []
    const { writer: self, core } = this.#config
    if (seal.writer === self) this.#writer.raiseAbove(seal.epoch)
    // A seal holds as long as the fold that it came with.
    if (!document || logs.length === 0 || !by.seals.some(({ writer, epoch }) => writer === seal.writer && epoch === seal.epoch)) return true
    const lost = lostEntries(document, logs, document.closure(seal.points))
    const isRetiredToo = by.seals.some(({ writer }) => writer === self)
    if (lost.length > 0 && core && !isRetiredToo && this.#writer.mayWrite(document.collection, document.partition)) {
      if (!informed) return false
      this.#takeOver(document, logs, wallMs, done, seal.epoch)
      return true
    }
    this.#report(document, by.writer, lost, done)
    this.#drop(document, logs, done)
    return true
  }

  /** Invariants 2 and 3. */
  #takeOver(document: ReplicatedDocument, logs: readonly Log[], wallMs: number, done: Outcome, sealed?: number): void {
    const { collection, partition, writer } = document
    done.changes.entries.push(...this.#unmark())
    for (const own of this.#writer.takeOver(document, wallMs, sealed)) {
      done.folds.push(own)
      done.changes.add(own.document, own.batch)
    }
    done.events.push({ type: 'event', name: 'writer-retired', data: { collection, partition, writer, by: this.#config.writer, lost: 0 } })
    this.#drop(document, logs, done)
  }

  #drop(document: ReplicatedDocument, logs: readonly Log[], done: Outcome): void {
    done.changes.touch(this.#documents.partitionOf(document), document.keys())
    done.changes.drop(logs)
    this.#backlog.forget(document, logs)
    done.events.push(...this.#awaited.abandon(document, logs))
    this.#documents.drop(document, logs)
    if (document.logs().length > 0) document.rebuild()
  }

  /** Invariant 4; and whoever held them for it. */
  #report({ collection, partition, writer }: ReplicatedDocument, by: string, lost: readonly Entry[], done: Outcome): void {
    const own = writer === this.#config.writer
    if (!own && lost.length === 0) return
    const data = { collection, partition, writer, by, lost: lost.length }
    done.events.push({ type: 'event', name: 'writer-retired', data })
    if (!own && !this.#config.core) return
    for (const { key, ms } of lost.slice(0, NAMED_MAX))
      done.events.push({ type: 'event', name: 'superseded', data: { collection, partition, key, by, asOf: ms } })
  }
}

/** Gathers what is done, until it is persisted. */
class Outcome {
  readonly changes: Changes
  readonly folds: OwnBatch[] = []
  readonly events: ReplicaEffect[] = []

  constructor(crypto: Signer) {
    this.changes = new Changes(crypto)
  }
}

/** What is live in `logs` past the points that are known. */
function lostEntries(document: ReplicatedDocument, logs: readonly Log[], known: ReadonlyMap<number, number>): Entry[] {
  const past = new Map(logs.filter(({ epoch, seq }) => seq > (known.get(epoch) ?? 0)).map(({ epoch }) => [epoch, known.get(epoch) ?? 0]))
  if (past.size === 0) return []
  return [...document.keys()].flatMap((key) =>
    document.all(key).filter(({ log, seq, kind }) => kind !== 'ack' && seq > (past.get(log) ?? Infinity)),
  )
}
