/**
 * This node as a writer: checks writes, gathers them for a moment, and makes one batch per document of what it has
 * gathered. Gathering happens here only; relays forward on arrival.
 *
 *  1. Writes take effect in the order they came; each is judged against what the earlier ones left.
 *  2. A log is continued only if it is our own newest of that document, was begun since the start or cleanly closed
 *     before it under the same credential, and peers have told since that nobody holds more of it: our disk may be an old
 *     copy. Else a new one is begun, of a larger epoch than any that is known.
 *  3. Stamps strictly increase.
 *  4. A document is folded only when peers have told what they hold of it: else a write that only they have would be lost.
 */
import { Deadlines, type Instant, type Random, after, earliest } from '@causeway/protocol'
import { EPOCH_MAX, type LogPoint, documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import { type Content, type Entry, NO_LABELS, markContent, patchContent, putContent } from './entry.ts'
import { isFoldDue, isQuietFoldDue } from './fold.ts'
import type { HybridClock } from './hybrid-clock.ts'
import { type MergedRecord, isFields, mergeEntries, newestOf, revisionOfMerged, viewOf } from './merged-record.ts'
import { mergePatch } from './merge-patch.ts'
import type { ReplicaConfig, WriteChange, WriteInput, WriteOutcome, WrittenEffect } from './replica-contract.ts'
import type { OwnBatch, ReplicatedDocument } from './replicated-document.ts'
import { compareStamps } from './stamp.ts'
import { encodeToken } from './token.ts'
import { writeRefusal, changeBytes } from './write-check.ts'
import { conflict, preconditionFault, refused } from './write-outcome.ts'
import type { WriterCredential } from './writer-credentials.ts'

const GATHER_MS = 10
const GATHER_CHANGES_MAX = 1_000
const GATHER_BYTES_MAX = 64 * 1024
/** A document that has not been written for so long is folded if that makes it clearly smaller. */
const QUIET_MS = 60_000

export interface OwnWrite {
  readonly effect: WrittenEffect
  readonly durability: 'local' | 'site' | 'hub'
  /** Where it lies; `undefined` for a refusal. */
  readonly document: ReplicatedDocument | undefined
  readonly point: LogPoint | undefined
}

export interface Flush {
  /** Answers that hold once the batches are durable, and refusals. */
  readonly written: readonly OwnWrite[]
  readonly batches: readonly OwnBatch[]
  /** The same records once more, from a fold: nothing changes for readers. */
  readonly folds: readonly OwnBatch[]
}

interface Gathered {
  readonly document: ReplicatedDocument
  readonly epoch: number
  readonly contents: Map<string, Content>
  readonly accepted: { readonly input: WriteInput; readonly items: readonly { readonly key: string; readonly revision: string }[] }[]
}

export class Writer {
  readonly #config: ReplicaConfig
  readonly #credential: WriterCredential
  readonly #documents: Documents
  readonly #clock: HybridClock
  readonly #random: Random
  #waiting: WriteInput[] = []
  #changes = 0
  #bytes = 0
  #dueAt: Instant | undefined
  /** Documents that were written, and when they have been quiet for long. */
  readonly #quiet = new Deadlines<ReplicatedDocument>()
  /** Of new logs; logs of at least `#floor` are continued. It is zero until an epoch has been raised since the start. */
  #epoch: number
  #floor: number
  /** Largest epoch known of our documents. */
  #epochMax = 0
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
  }

  get dueAt(): Instant | undefined {
    return earliest(this.#dueAt, this.#quiet.next())
  }

  /** The epoch that may be continued after a clean stop; `undefined` if the next start has to raise it. */
  get cleanEpoch(): number | undefined {
    return this.#raise ? undefined : Math.max(this.#epoch, this.#epochMax)
  }

  /** Somebody holds batches of ours, up to `epoch`, that we do not: what we write next must not collide with them. */
  raiseAbove(epoch: number): void {
    this.#epochMax = Math.max(this.#epochMax, epoch)
    this.#raise = true
  }

  /** Takes a write; answers at once only to refuse. */
  write(now: Instant, wallMs: number, input: WriteInput): WrittenEffect | undefined {
    const refusal = writeRefusal(input, this.#credential, wallMs, this.#config.limits)
    if (refusal) return { type: 'written', request: input.request, result: refusal }
    this.#waiting.push(input)
    this.#changes += input.changes.length
    for (const change of input.changes) this.#bytes += changeBytes(change)
    this.#dueAt ??= after(now, GATHER_MS)
    if (this.#changes >= GATHER_CHANGES_MAX || this.#bytes >= GATHER_BYTES_MAX) this.#dueAt = now
    return undefined
  }

  /** Makes the batches of what has been gathered, and folds of what has grown. `informed`: peers have told what they hold of ours. */
  flush(now: Instant, wallMs: number, informed: boolean): Flush {
    const waiting = this.#waiting
    this.#waiting = []
    this.#changes = 0
    this.#bytes = 0
    this.#dueAt = undefined
    const written: OwnWrite[] = []
    const gathered = new Map<string, Gathered>()
    if (waiting.length > 0) this.#renewEpoch(wallMs, informed)
    for (const input of waiting) {
      const refusal = this.#judge(input, wallMs, gathered)
      if (refusal) written.push(answer(input, refusal))
    }
    const batches: OwnBatch[] = []
    const folds: OwnBatch[] = []
    const { foldBytesMin } = this.#config.limits
    for (const document of this.#quiet.due(now))
      if (informed && !gathered.has(document.id) && isQuietFoldDue(document, foldBytesMin)) folds.push(...this.#fold(document, wallMs))
    for (const { document, epoch, contents, accepted } of gathered.values()) {
      const own = document.write(epoch, this.#credential, [...contents.values()])
      batches.push(own)
      for (const { input, items } of accepted) written.push(accept(input, document, own.batch, items))
      if (informed && isFoldDue(document, foldBytesMin)) folds.push(...this.#fold(document, wallMs))
      else this.#quiet.set(document, after(now, QUIET_MS))
    }
    return { written, batches, folds }
  }

  #fold(document: ReplicatedDocument, wallMs: number): OwnBatch[] {
    this.#epochMax = Math.min(Math.max(freshEpoch(wallMs, this.#random), this.#epochMax + 1), EPOCH_MAX)
    return document.fold(this.#epochMax, this.#credential)
  }

  #renewEpoch(wallMs: number, informed: boolean): void {
    const unsure = this.#floor === 0 && !informed
    if (!this.#raise && !unsure) return
    this.#epoch = Math.min(Math.max(freshEpoch(wallMs, this.#random), this.#epochMax + 1), EPOCH_MAX)
    this.#floor = this.#epoch
    this.#epochMax = this.#epoch
    this.#raise = false
  }

  /** Decides one write; `undefined` if it has been taken into its document's next batch. */
  #judge(input: WriteInput, wallMs: number, gathered: Map<string, Gathered>): WriteOutcome | undefined {
    const { collection, partition, changes } = input
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
      const stamp = this.#clock.tick(wallMs)
      const future = this.#futureFault(key, known, before, stamp)
      if (future) return future
      const content = this.#contentOf(change, { ...stamp, key }, current, before, group, wallMs)
      if (typeof content === 'string') return conflict(content, 'Put the record as a whole.')
      staged.set(key, content)
      const merged = mergeEntries([...others, this.#entryOf(content, group.epoch)])
      items.push({ key, revision: merged ? revisionOfMerged(merged) : '' })
    }
    gathered.set(id, group)
    this.#documents.keep(group.document)
    for (const [key, content] of staged) group.contents.set(key, content)
    group.accepted.push({ input, items })
    return undefined
  }

  #group(name: { collection: string; partition: string; writer: string }): Gathered {
    const document = this.#documents.getOrDraft(name)
    const newest = document.epochMax
    const epoch = newest > 0 && newest >= this.#floor ? newest : this.#epoch
    return { document, epoch, contents: new Map(), accepted: [] }
  }

  #entriesOf(collection: string, partition: string, key: string): Entry[] {
    return [...(this.#documents.partition(collection, partition)?.documents.values() ?? [])].flatMap((document) => document.all(key))
  }

  #entryOf(content: Content, log: number): Entry {
    return { ...content, epoch: log, writer: this.#config.writer, log, seq: 0, clock: 0 }
  }

  #futureFault(
    key: string,
    known: MergedRecord | undefined,
    before: Content | undefined,
    stamp: { readonly ms: number; readonly counter: number },
  ): WriteOutcome | undefined {
    if (!known || before) return undefined
    const newest = newestOf(known)
    const { writer } = this.#config
    if (compareStamps(newest, { ...stamp, writer, epoch: EPOCH_MAX }) < 0) return undefined
    return refused(
      `${key} carries a stamp from the future, written by ${newest.writer}: nothing written now would win over it`,
      `Set the clocks of ${newest.writer} and ${writer} right.`,
    )
  }

  /** What the change comes to; or why it cannot be made. */
  #contentOf(
    { operation }: WriteChange,
    head: { readonly key: string; readonly ms: number; readonly counter: number },
    current: MergedRecord | undefined,
    before: Content | undefined,
    group: Gathered,
    wallMs: number,
  ): Content | string {
    if (operation.type === 'delete') return markContent(head)
    if (operation.type !== 'patch') {
      const expiresMs = operation.ttlMs === undefined ? undefined : Math.ceil(wallMs + operation.ttlMs)
      return putContent(head, operation.value, operation.labels ?? NO_LABELS, current?.base.birth, expiresMs)
    }
    const view = current && viewOf(current, '')
    if (!current || !view || !isFields(view.value)) return `${head.key} is not a map of fields, so it cannot be patched`
    const { birth, expiresMs } = current.base
    const { value, labels } = operation
    if (before?.kind === 'put') {
      return putContent(
        head,
        mergePatch(view.value, value),
        mergePatch(view.labels, labels ?? {}) as Record<string, string>,
        birth,
        expiresMs,
      )
    }
    const own = before ?? group.document.all(head.key).find((entry) => entry.kind === 'patch')
    const kept = own && own.birth.ms === birth.ms && own.birth.counter === birth.counter ? own : undefined
    const laid = (older: Content['fields'] | undefined, change: Readonly<Record<string, unknown>>): Content['fields'] => [
      ...(older ?? []).filter(({ name, ms }) => !Object.hasOwn(change, name) && ms >= current.base.ms),
      ...Object.entries(change).map(([name, field]) => ({ name, ms: head.ms, counter: head.counter, value: field ?? undefined })),
    ]
    return patchContent(head, birth, laid(kept?.fields, value), laid(kept?.labelFields, labels ?? {}))
  }
}

/** Boot wall clock in seconds (32 bits) and 20 random bits. */
function freshEpoch(wallMs: number, random: Random): number {
  return (Math.floor(Math.max(0, wallMs) / 1000) % 2 ** 32) * 2 ** 20 + (random.uint32() >>> 12)
}

function isThere({ base }: MergedRecord, wallMs: number): boolean {
  return base.kind === 'put' && (base.expiresMs === undefined || base.expiresMs > wallMs)
}

function answer({ request, durability = 'local' }: WriteInput, result: WriteOutcome): OwnWrite {
  return { effect: { type: 'written', request, result }, durability, document: undefined, point: undefined }
}

function accept(
  input: WriteInput,
  document: ReplicatedDocument,
  { epoch, seq }: LogPoint,
  items: readonly { readonly key: string; readonly revision: string }[],
): OwnWrite {
  const { collection, partition } = input
  const token = encodeToken({ collection, partition, points: new Map([[document.writer, [{ epoch, seq }]]]) })
  return { ...answer(input, { ok: true, partition, items, token }), document, point: { epoch, seq } }
}
