/**
 * This node as a writer: checks writes, gathers them for a moment, and makes one batch per document of what it has
 * gathered. Gathering happens here only; relays forward on arrival.
 *
 *  1. Writes take effect in the order they came; each is judged against what the earlier ones left.
 *  2. A batch is made under an epoch that is larger than every epoch known of our documents, unless it is that of our
 *     own newest log and nobody holds more of it than we do.
 *  3. Stamps strictly increase.
 */
import { type Instant, type Random, after, encodeRecord } from '@causeway/protocol'
import { type Batch, EPOCH_MAX, type LogPoint, documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import { type Content, type Entry, NO_LABELS } from './entry.ts'
import type { HybridClock } from './hybrid-clock.ts'
import { Interest, isCollection, isPartition } from './interest.ts'
import { keyFault, labelsFault, plainDataFault } from './plain-data.ts'
import type { ReplicaConfig, WriteInput, WriteOutcome, WrittenEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { compareStamps, revisionOf } from './stamp.ts'

const GATHER_MS = 10
const GATHER_WRITES_MAX = 1_000
const GATHER_BYTES_MAX = 64 * 1024

/** One batch of ours with the entries it brought. */
interface OwnBatch {
  readonly document: ReplicatedDocument
  readonly batch: Batch
  readonly entries: readonly Entry[]
}

export interface Flush {
  /** Answers that hold once the batches are durable, and refusals. */
  readonly written: readonly WrittenEffect[]
  readonly batches: readonly OwnBatch[]
}

interface Gathered {
  readonly document: ReplicatedDocument
  readonly contents: Map<string, Content>
  readonly accepted: { readonly request: number; readonly content: Content }[]
}

export class Writer {
  readonly #config: ReplicaConfig
  readonly #documents: Documents
  readonly #clock: HybridClock
  readonly #random: Random
  readonly #scope: Interest
  #waiting: WriteInput[] = []
  #bytes = 0
  #dueAt: Instant | undefined
  #epoch: number
  /** Largest epoch known of our documents. */
  #epochMax = 0
  #raise: boolean

  /** `epoch`: the one to go on with after a clean stop, else `undefined`. */
  constructor(config: ReplicaConfig, documents: Documents, clock: HybridClock, random: Random, epoch: number | undefined) {
    this.#config = config
    this.#documents = documents
    this.#clock = clock
    this.#random = random
    this.#scope = new Interest(config.write)
    for (const document of documents.all())
      if (document.writer === config.writer) this.#epochMax = Math.max(this.#epochMax, document.epochMax)
    this.#epoch = epoch ?? 0
    this.#raise = epoch === undefined || epoch < this.#epochMax
  }

  get dueAt(): Instant | undefined {
    return this.#dueAt
  }

  /** The epoch that may be continued after a clean stop; `undefined` if the next start has to raise it. */
  get cleanEpoch(): number | undefined {
    return this.#raise ? undefined : this.#epoch
  }

  /** Somebody holds batches of ours, up to `epoch`, that we do not: what we write next must not collide with them. */
  raiseAbove(epoch: number): void {
    this.#epochMax = Math.max(this.#epochMax, epoch)
    this.#raise = true
  }

  /** Takes a write; answers at once only to refuse. */
  write(now: Instant, input: WriteInput): WrittenEffect | undefined {
    const refusal = this.#refusal(input)
    if (refusal) return { type: 'written', request: input.request, result: refusal }
    this.#waiting.push(input)
    this.#bytes += recordBytes(input)
    this.#dueAt ??= after(now, GATHER_MS)
    if (this.#waiting.length >= GATHER_WRITES_MAX || this.#bytes >= GATHER_BYTES_MAX) this.#dueAt = now
    return undefined
  }

  /** Makes the batches of what has been gathered. */
  flush(wallMs: number): Flush {
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    this.#dueAt = undefined
    const written: WrittenEffect[] = []
    const gathered = new Map<string, Gathered>()
    if (waiting.length > 0) this.#renewEpoch(wallMs)
    for (const input of waiting) {
      const refusal = this.#judge(input, wallMs, gathered)
      if (refusal) written.push({ type: 'written', request: input.request, result: refusal })
    }
    const batches: OwnBatch[] = []
    for (const { document, contents, accepted } of gathered.values()) {
      const { batch, entries } = document.write(this.#epoch, [...contents.values()])
      batches.push({ document, batch, entries })
      for (const { request, content } of accepted) written.push({ type: 'written', request, result: this.#result(batch, content) })
    }
    return { written, batches }
  }

  #renewEpoch(wallMs: number): void {
    if (!this.#raise) return
    // Boot wall clock in seconds (32 bits) and 20 random bits, but above everything that is known.
    const fresh = (Math.floor(Math.max(0, wallMs) / 1000) % 2 ** 32) * 2 ** 20 + (this.#random.uint32() >>> 12)
    this.#epoch = Math.min(Math.max(fresh, this.#epochMax + 1), EPOCH_MAX)
    this.#epochMax = this.#epoch
    this.#raise = false
  }

  #result(batch: Batch, content: Content): WriteOutcome {
    const { collection, partition, writer, epoch, seq } = batch
    const revision = revisionOf({ ...content, writer, epoch })
    return { ok: true, key: content.key, partition, revision, token: writeToken(collection, partition, writer, { epoch, seq }) }
  }

  /** Decides one write; `undefined` if it has been taken into its document's next batch. */
  #judge(input: WriteInput, wallMs: number, gathered: Map<string, Gathered>): WriteOutcome | undefined {
    const { collection, partition, key, operation } = input
    const { writer } = this.#config
    const name = { collection, partition, writer }
    const id = documentId(name)
    const before = gathered.get(id)?.contents.get(key)
    const epoch = this.#epoch
    const current = before ? { ...before, writer, epoch } : this.#documents.partition(collection, partition)?.winner(key)
    const refusal = preconditionFault(input, current)
    if (refusal) return refusal

    const stamp = this.#clock.tick(wallMs)
    if (current && !before && compareStamps(current, { ...stamp, writer, epoch: EPOCH_MAX }) >= 0) {
      return refused(
        `${key} carries a stamp from the future, written by ${current.writer}: nothing written now would win over it`,
        `Set the clocks of ${current.writer} and ${writer} right.`,
      )
    }
    const content: Content =
      operation.type === 'delete'
        ? { key, deleted: true, value: null, labels: NO_LABELS, ...stamp }
        : { key, deleted: false, value: operation.value, labels: operation.labels ?? NO_LABELS, ...stamp }
    let group = gathered.get(id)
    if (!group) gathered.set(id, (group = { document: this.#documents.getOrCreate(name), contents: new Map(), accepted: [] }))
    group.contents.set(key, content)
    group.accepted.push({ request: input.request, content })
    return undefined
  }

  #refusal(input: WriteInput): WriteOutcome | undefined {
    const { collection, partition, key, operation } = input
    if (!isCollection(collection))
      return refused(`${collection} is not a collection name`, 'Use lower-case letters, digits, dots and hyphens.')
    if (!isPartition(partition)) return refused(`${partition} is not a partition`, 'Use one to four names joined by slashes.')
    const badKey = keyFault(key)
    if (badKey) return refused(`the key ${badKey}`, 'Use 1 to 512 characters without control characters.')
    if (!this.#scope.matches(collection, partition)) {
      const { writer } = this.#config
      return refused(
        `${writer} may not write ${collection}/${partition}`,
        `Issue its credential with --write '${collection}/${partition}'.`,
      )
    }
    if (operation.type === 'delete') return undefined
    const badValue = plainDataFault(operation.value)
    if (badValue) return refused(`the value ${badValue}`, 'Write plain JSON.')
    const badLabels = operation.labels === undefined ? undefined : labelsFault(operation.labels)
    if (badLabels) return refused(`the labels ${badLabels}`, 'Use at most 64 short strings.')
    const bytes = recordBytes(input)
    const max = this.#config.limits.recordBytesMax
    if (bytes > max)
      return refused(`the record has ${bytes} bytes, more than ${max}`, 'Split it, or raise limits.recordBytesMax on all nodes.')
    return undefined
  }
}

/** Names the state a write made: readers elsewhere may wait for it. */
function writeToken(collection: string, partition: string, writer: string, point: LogPoint): string {
  return `${collection}|${partition}|${writer}|${point.epoch.toString(36)}|${point.seq.toString(36)}`
}

function preconditionFault(
  input: WriteInput,
  entry: Entry | (Content & { writer: string; epoch: number }) | undefined,
): WriteOutcome | undefined {
  const { key, operation, revision } = input
  const current = entry && !entry.deleted ? entry : undefined
  if (operation.type === 'create' && current) {
    return conflict(`${key} already exists, at revision ${revisionOf(current)}`, 'Use update or put to change it.')
  }
  if (!current && (operation.type === 'update' || operation.type === 'delete')) {
    const remedy = operation.type === 'update' ? 'Use create or put to make it.' : 'Check the key and the partition.'
    return { ok: false, code: 'not-found', message: `${key} does not exist`, remedy }
  }
  if (revision === undefined) return undefined
  if (!current) return conflict(`${key} does not exist, so it is not at revision ${revision}`, 'Read it again, or leave the revision out.')
  const now = revisionOf(current)
  return now === revision ? undefined : conflict(`${key} is at revision ${now}, not ${revision}`, 'Read it again and repeat the change.')
}

function recordBytes({ key, operation }: WriteInput): number {
  return encodeRecord([key, operation.type === 'delete' ? null : [operation.value, operation.labels]]).length
}

function conflict(message: string, remedy: string): WriteOutcome {
  return { ok: false, code: 'conflict', message, remedy }
}

function refused(message: string, remedy: string): WriteOutcome {
  return { ok: false, code: 'refused', message, remedy }
}
