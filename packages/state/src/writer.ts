/**
 * This node as a writer: checks writes, and makes one batch per document of what has gathered while the store was busy with
 * those before: a lone write goes at once, many together. Gathering happens here only; relays forward on arrival.
 *
 *  1. Writes take effect in the order they came; each is judged against what the earlier ones left.
 *  2. A log is continued only if it is our own newest of that document, was begun since the start or cleanly closed
 *     before it under the same credential, and peers have told since that nobody holds more of it: our disk may be an old
 *     copy. Else a new one is begun, of a larger epoch than any that is known.
 *  3. Stamps strictly increase, but for those that a wrong clock has given; that of a record always does.
 *  4. A document is folded only when peers have told what they hold of it: else a write that only they have would be lost.
 */
import { Deadlines, type Instant, type Random, after, earliest } from '@causeway/protocol'
import { EPOCH_MAX, documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import { ACK_KEY, type Content, type Entry, ackContent } from './entry.ts'
import { isFoldDue, isQuietFoldDue, together } from './fold.ts'
import type { HybridClock } from './hybrid-clock.ts'
import { type MergedRecord, mergeEntries, newestOf, revisionOfMerged } from './merged-record.ts'
import type { Partition } from './partition.ts'
import type { ReplicaConfig, SharedWriteInput, WriteInput, WriteOutcome, WrittenEffect } from './replica-contract.ts'
import { type OwnWrite, accepted, answered } from './own-write.ts'
import { OpenFolds } from './open-folds.ts'
import type { OwnBatch, ReplicatedDocument } from './replicated-document.ts'
import { SHARED_COLLECTION } from './shared-gate.ts'
import { SharedWrites } from './shared-writes.ts'
import { Sweeper, acknowledgedBy, othersOf, unacknowledged, unneeded, without } from './sweep.ts'
import { sharedRefusal, stampRefusal, writeRefusal } from './write-check.ts'
import { contentAfter } from './write-content.ts'
import { conflict, preconditionFault } from './write-outcome.ts'
import { WriteQueue } from './write-queue.ts'
import type { WriterCredential } from './writer-credentials.ts'

/** A document that has not been written for so long is folded if that makes it clearly smaller. */
const QUIET_MS = 60_000
const RETRY_MS = 1_000
/** What somebody merely claims to hold of ours leaves room above it for some eight years of epochs. */
const HEARD_EPOCH_MAX = EPOCH_MAX - 2 ** 48

/** What is known of what others have. */
export interface Knowledge {
  /** Peers have told what they hold of our documents. */
  readonly informed: boolean
  /** All is here that the network has of the partition, as far as peers know. */
  readonly seesAll: (partition: Partition) => boolean
}

export interface Flush {
  /** Answers that hold once the batches are durable, and refusals. */
  readonly written: readonly OwnWrite[]
  readonly batches: readonly OwnBatch[]
  /** The same records once more, from a fold: nothing changes for readers. */
  readonly folds: readonly OwnBatch[]
  /** What was left out of folds. */
  readonly swept: ReadonlyMap<Partition, Iterable<string>>
}

interface Gathered {
  readonly document: ReplicatedDocument
  readonly epoch: number
  readonly contents: Map<string, Content>
  readonly taken: { readonly input: WriteInput; readonly items: readonly { readonly key: string; readonly revision: string }[] }[]
}

export class Writer {
  readonly #config: ReplicaConfig
  readonly #credential: WriterCredential
  readonly #documents: Documents
  readonly #clock: HybridClock
  readonly #random: Random
  readonly #waiting = new WriteQueue()
  readonly #shared = new SharedWrites()
  #dueAt: Instant | undefined
  /** Batches of ours are on their way to the disk. */
  #storing = false
  /** Documents that were written, and when they have been quiet for long. */
  readonly #quiet = new Deadlines<ReplicatedDocument>()
  /** Documents with a fold that nobody can take, since we wrote on without knowing it: the next one must come soon. */
  readonly #overdue = new Set<ReplicatedDocument>()
  readonly #sweeper = new Sweeper()
  /** While there are any, writes wait. */
  readonly #open = new OpenFolds()
  /** Of new logs; logs of at least `#floor` are continued. It is zero until an epoch has been raised since the start. */
  #epoch: number
  #floor: number
  /** Largest epoch known of our documents. */
  #epochMax = 0
  /** An earlier life has chosen the highest, and perhaps the one that comes next: this disk, or what was heard, may be old. */
  #afterOthers = true
  #raise: boolean

  /** `epoch`: the largest of our documents at the last clean stop, else `undefined`. */
  constructor(
    config: ReplicaConfig,
    credential: WriterCredential,
    documents: Documents,
    clock: HybridClock,
    random: Random,
    epoch: number | undefined,
  ) {
    this.#config = config
    this.#credential = credential
    this.#documents = documents
    this.#clock = clock
    this.#random = random
    let renewed = false
    for (const document of documents.all()) {
      if (document.writer !== config.writer) continue
      this.#epochMax = Math.max(this.#epochMax, document.epochMax)
      renewed ||= document.log(document.epochMax)?.credential !== credential
    }
    this.#epoch = epoch ?? 0
    this.#floor = 0
    // A log is signed under the credential that came with it.
    this.#raise = epoch === undefined || epoch < this.#epochMax || renewed
    // It goes on, also where no document of it is left.
    this.#epochMax = Math.max(this.#epochMax, this.#epoch)
  }

  get dueAt(): Instant | undefined {
    return earliest(this.#dueAt, earliest(this.#quiet.next(), this.#sweeper.nextWake()))
  }

  /** The epoch that may be continued after a clean stop; `undefined` if the next start has to raise it. */
  get cleanEpoch(): number | undefined {
    return this.#raise ? undefined : Math.max(this.#epoch, this.#epochMax)
  }

  /** Somebody holds batches of ours, up to `epoch`, that we do not: what we write next must not collide with them. */
  raiseAbove(epoch: number): void {
    this.#exceed(epoch)
    this.#raise = true
  }

  #exceed(heard: number): void {
    const epoch = Math.min(heard, HEARD_EPOCH_MAX)
    this.#afterOthers ||= epoch > this.#epochMax
    this.#epochMax = Math.max(this.#epochMax, epoch)
  }

  /** Takes a write; answers at once only to refuse. */
  write(now: Instant, wallMs: number, input: WriteInput): WrittenEffect | undefined {
    const refusal = writeRefusal(input, this.#credential, wallMs, this.#config.limits)
    if (refusal) return { type: 'written', request: input.request, result: refusal }
    this.#waiting.add(input)
    if (!this.#storing || this.#waiting.isFull) this.#dueAt = now
    return undefined
  }

  /** The store is busy with batches of ours, or is no longer. */
  storing(now: Instant, storing: boolean): void {
    this.#storing = storing
    if (!storing && (!this.#waiting.isEmpty || !this.#shared.isEmpty)) this.#dueAt = now
  }

  /** Takes an update of a shared document; answers at once only to refuse. */
  writeShared(now: Instant, wallMs: number, input: SharedWriteInput): WrittenEffect | undefined {
    const refusal = sharedRefusal(input, this.#credential, wallMs, this.#config.limits)
    if (refusal) return { type: 'written', request: input.request, result: refusal }
    this.#shared.add(input)
    if (!this.#storing) this.#dueAt = now
    return undefined
  }

  #flushShared(wallMs: number, informed: boolean, written: OwnWrite[], batches: OwnBatch[]): void {
    if (this.#shared.isEmpty) return
    this.#renewEpoch(wallMs, informed)
    const open = (partition: string): Gathered => this.#group({ collection: SHARED_COLLECTION, partition, writer: this.#config.writer })
    for (const { input, document, result } of this.#shared.flush(this.#credential, open)) {
      const { request, name: partition } = input
      const asWrite = { type: 'write', request, collection: SHARED_COLLECTION, partition, changes: [] } as const
      if ('ok' in result) written.push(answered(asWrite, result))
      else {
        this.#documents.keep(document)
        batches.push(result)
        written.push(accepted(asWrite, document, result.batch, []))
      }
    }
  }

  /** Makes the batches of what has been gathered, and folds of what has grown. */
  flush(now: Instant, wallMs: number, { informed, seesAll }: Knowledge): Flush {
    this.#dueAt = undefined
    if (!this.#open.isEmpty) return { written: [], batches: [], folds: this.#goOnFolding(now), swept: new Map() }
    const gathered = new Map<string, Gathered>()
    const written: OwnWrite[] = []
    const batches: OwnBatch[] = []
    const documents = new Set<ReplicatedDocument>()
    const batch = (): void => {
      for (const { document, epoch, contents, taken } of gathered.values()) {
        const own = document.write(epoch, this.#credential, [...contents.values()])
        batches.push(own)
        documents.add(document)
        for (const { input, items } of taken) written.push(accepted(input, document, own.batch, items))
      }
      gathered.clear()
    }
    this.#flushShared(wallMs, informed, written, batches)
    if (!this.#waiting.isEmpty) this.#renewEpoch(wallMs, informed)
    for (const portion of this.#waiting.take()) {
      batch()
      for (const input of portion) {
        const refusal = this.#judge(input, wallMs, gathered)
        if (refusal) written.push(answered(input, refusal))
      }
    }
    const swept = new Map<Partition, Iterable<string>>()
    const { foldBytesMin } = this.#config.limits
    const sweeping = this.#sweeper
      .due(now)
      .filter((partition) => this.#acknowledge(now, partition, { informed, seesAll }, wallMs, gathered))
    for (const document of this.#quiet.due(now)) {
      const may = informed && !gathered.has(document.id) && !documents.has(document)
      if (may && (this.#overdue.delete(document) || isQuietFoldDue(document, foldBytesMin))) this.#beginFold(document, wallMs)
      if (this.#overdue.has(document)) this.#quiet.set(document, after(now, RETRY_MS))
      else if (!informed) this.#quiet.set(document, after(now, QUIET_MS))
    }
    batch()
    for (const document of documents) {
      if (informed && isFoldDue(document, foldBytesMin)) this.#beginFold(document, wallMs)
      else this.#quiet.set(document, after(now, QUIET_MS))
    }
    const folds = this.#goOnFolding(now)
    for (const partition of sweeping) swept.set(partition, this.#leaveOut(partition, wallMs, folds))
    return { written, batches, folds, swept }
  }

  /** Others cannot put together what we have written: the document is folded as soon as that is safe. */
  foldSoon(now: Instant, document: ReplicatedDocument): void {
    this.#overdue.add(document)
    this.#quiet.set(document, now)
  }

  mayWrite(collection: string, partition: string): boolean {
    return this.#credential.scope.matches(collection, partition)
  }

  /** Marks of this partition have come, or have been acknowledged. */
  sweepSoon(now: Instant, partition: Partition): void {
    this.#sweeper.look(now, partition)
  }

  /** Acknowledges the marks of others with the next batch. False if this is not the time to judge what others have. */
  #acknowledge(
    now: Instant,
    partition: Partition,
    { informed, seesAll }: Knowledge,
    wallMs: number,
    gathered: Map<string, Gathered>,
  ): boolean {
    const own = partition.documents.get(this.#config.writer)
    if (!own || own.logs().length === 0) return false
    if (!informed || !seesAll(partition)) {
      this.#sweeper.look(now, partition)
      return false
    }
    if (unacknowledged(partition, own) < this.#config.limits.sweepEntriesMin) return true
    const stamp = this.#clock.tick(wallMs, ...own.all(ACK_KEY))
    if (stampRefusal(stamp, this.#credential)) return false
    this.#renewEpoch(wallMs, informed)
    const group = gathered.get(own.id) ?? this.#group(own)
    group.contents.set(ACK_KEY, ackContent(stamp, acknowledgedBy(partition, own)))
    gathered.set(own.id, group)
    return true
  }

  /** Folds our document without what nobody needs, if that is worth it; the keys of that. */
  #leaveOut(partition: Partition, wallMs: number, folds: OwnBatch[]): Iterable<string> {
    const own = partition.documents.get(this.#config.writer)
    const gone = own ? unneeded(partition, own) : new Set<Entry>()
    if (!own || gone.size < this.#config.limits.sweepEntriesMin) return []
    const more = { ...own.inherited, after: othersOf(partition, own), whole: true }
    folds.push(...own.fold(this.#nextEpoch(wallMs), this.#credential, without(own.snapshot(), gone), more))
    return new Set([...gone].map(({ key }) => key))
  }

  /**
   * Our document of a partition once more, with all that is live of one whose writer is retired by that. `sealed`: the seal that
   * somebody else has made already.
   */
  takeOver(retired: ReplicatedDocument, wallMs: number, sealed?: number): readonly OwnBatch[] {
    const { collection, partition, writer } = retired
    const own = this.#documents.getOrCreate({ collection, partition, writer: this.#config.writer })
    own.rebornAfter(this.#documents.partitionOf(own).seals.get(own.writer) ?? 0)
    this.#exceed(retired.epochMax)
    const epoch = this.#nextEpoch(wallMs)
    const seal = { writer, epoch: sealed ?? epoch, points: retired.frontier('applied') }
    const seals = new Map([...own.seals, ...retired.seals, seal].map((each) => [each.writer, each]))
    // What this writer had is in the fold: nobody has to have it besides.
    const others = own.inherited.after.filter((points) => points.writer !== writer)
    const more = { ...own.inherited, seals: [...seals.values()], after: others, whole: true }
    const folds = own.fold(epoch, this.#credential, together(own.snapshot(), retired), more)
    this.#documents.partitionOf(own).noteSeals()
    return folds
  }

  /** Boot wall clock in seconds (32 bits) and 20 random bits, and above all that were. */
  #nextEpoch(wallMs: number): number {
    const bits = this.#random.uint32() >>> 12
    const least = this.#epochMax + 1 + (this.#afterOthers ? bits : 0)
    this.#afterOthers = false
    this.#epochMax = Math.min(Math.max(bootSeconds(wallMs) * 2 ** 20 + bits, least), EPOCH_MAX)
    return this.#epochMax
  }

  #beginFold(document: ReplicatedDocument, wallMs: number): void {
    this.#open.begin(document, this.#nextEpoch(wallMs))
  }

  /** A turn's work on the folds that are open; there is another turn at once if more of it is left, or something has waited for it. */
  #goOnFolding(now: Instant): OwnBatch[] {
    const { folds, failed } = this.#open.advance(this.#credential)
    for (const document of failed) this.foldSoon(now, document)
    const isAwaited = !this.#storing && (!this.#waiting.isEmpty || !this.#shared.isEmpty)
    if (!this.#open.isEmpty || isAwaited) this.#dueAt = now
    return folds
  }

  /** The node stops: what waits is to be flushed now. */
  abandonFolds(): void {
    this.#open.abandon()
  }

  #renewEpoch(wallMs: number, informed: boolean): void {
    const unsure = this.#floor === 0 && !informed
    if (!this.#raise && !unsure) return
    this.#epoch = this.#nextEpoch(wallMs)
    this.#floor = this.#epoch
    this.#raise = false
  }

  /** Decides one write; `undefined` if it has been taken into its document's next batch. */
  #judge(input: WriteInput, wallMs: number, gathered: Map<string, Gathered>): WriteOutcome | undefined {
    const { collection, partition, changes, stamps } = input
    const floor = stamps && { ms: stamps.afterMs, counter: Infinity }
    const name = { collection, partition, writer: this.#config.writer }
    const id = documentId(name)
    const group = gathered.get(id) ?? this.#group(name)
    const staged = new Map<string, Content>()
    const items: { key: string; revision: string }[] = []
    for (const change of changes) {
      const { key } = change
      const before = staged.get(key) ?? group.contents.get(key)
      const others = this.#entriesOf(collection, partition, key)
      const known = mergeEntries(before ? [...others, this.#entryOf(before, group.epoch)] : others)
      const current = known && isThere(known, wallMs) ? known : undefined
      const refusal = preconditionFault(change, current)
      if (refusal) return refusal
      const newest = known && newestOf(known)
      const stamp = this.#clock.tick(wallMs, newest, floor, ...group.document.all(key))
      const late = stampRefusal(stamp, this.#credential, newest, stamps)
      if (late) return late
      const content = contentAfter(change, { ...stamp, key }, { current, before, own: group.document.all(key), wallMs })
      if (typeof content === 'string') return conflict(content, 'Put the record as a whole.')
      // What is in the same batch already nobody has seen.
      const over = content.kind === 'patch' ? undefined : before ? before.over : newest?.ms
      staged.set(key, { ...content, over })
      // Of its own the new one leaves nothing, but for a put under a patch.
      const left = others.filter(({ author, kind }) => author !== name.writer || (content.kind === 'patch' && kind !== 'patch'))
      const merged = mergeEntries([...left, this.#entryOf(content, group.epoch)])
      items.push({ key, revision: merged ? revisionOfMerged(merged) : '' })
    }
    gathered.set(id, group)
    this.#documents.keep(group.document)
    for (const [key, content] of staged) group.contents.set(key, content)
    group.taken.push({ input, items })
    return undefined
  }

  #group(name: { collection: string; partition: string; writer: string }): Gathered {
    const document = this.#documents.getOrDraft(name)
    document.rebornAfter(this.#documents.partition(name.collection, name.partition)?.seals.get(name.writer) ?? 0)
    const newest = document.epochMax
    const epoch = newest > 0 && newest >= this.#floor ? newest : this.#epoch
    return { document, epoch, contents: new Map(), taken: [] }
  }

  #entriesOf(collection: string, partition: string, key: string): Entry[] {
    return [...(this.#documents.partition(collection, partition)?.documents.values() ?? [])].flatMap((document) => document.all(key))
  }

  #entryOf(content: Content, log: number): Entry {
    const { writer } = this.#config
    return { ...content, epoch: log, writer, author: writer, log, seq: 0, clock: 0 }
  }
}

/** In 32 bits. */
function bootSeconds(wallMs: number): number {
  return Math.floor(Math.max(0, wallMs) / 1000) % 2 ** 32
}

function isThere({ base }: MergedRecord, wallMs: number): boolean {
  return base.kind === 'put' && (base.expiresMs === undefined || base.expiresMs > wallMs)
}
