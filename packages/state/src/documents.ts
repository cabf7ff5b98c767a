/**
 * All documents of the replica, by id and by partition. Also the digest of the heads: a number that changes with
 * every batch that is shown to readers, and is the same wherever the same batches are.
 */
import { invariant } from '@causeway/protocol'
import { type DocumentName, type Seal, documentId } from './batch.ts'
import { Partition } from './partition.ts'
import type { Log } from './log.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import type { LogPacking, Signer } from './replica-contract.ts'
import type { WriterCredentials } from './writer-credentials.ts'

/** A writer that a fold of document `by` takes the place of. */
export interface Sealed {
  readonly partition: Partition
  readonly seal: Seal
  readonly by: ReplicatedDocument
}

export interface Settled {
  readonly keys: ReadonlySet<string>
  readonly sealed: readonly Sealed[]
  /** Documents in which a fold has taken the place of what was before. */
  readonly folded: readonly ReplicatedDocument[]
}

export class Documents {
  readonly #crypto: Signer
  readonly #credentials: WriterCredentials
  readonly #self: string
  readonly #logPacking: LogPacking | undefined
  readonly #byId = new Map<string, ReplicatedDocument>()
  readonly #collections = new Map<string, Map<string, Partition>>()
  readonly #digest = new Uint32Array(2)

  /** `self`: whose documents are our own. */
  constructor(crypto: Signer, credentials: WriterCredentials, self = '', logPacking?: LogPacking) {
    this.#crypto = crypto
    this.#credentials = credentials
    this.#self = self
    this.#logPacking = logPacking
  }

  get size(): number {
    return this.#byId.size
  }

  all(): Iterable<ReplicatedDocument> {
    return this.#byId.values()
  }

  get(id: string): ReplicatedDocument | undefined {
    return this.#byId.get(id)
  }

  getOrCreate(name: DocumentName): ReplicatedDocument {
    const document = this.getOrDraft(name)
    this.keep(document)
    return document
  }

  /** The document, or a new one that is not held before `keep`: a refused batch must not leave an empty document. */
  getOrDraft(name: DocumentName): ReplicatedDocument {
    return this.#byId.get(documentId(name)) ?? new ReplicatedDocument(name, this.#crypto, this.#credentials, name.writer === this.#self)
  }

  keep(document: ReplicatedDocument): void {
    if (this.#byId.has(document.id)) return
    this.#byId.set(document.id, document)
    let partitions = this.#collections.get(document.collection)
    if (!partitions) this.#collections.set(document.collection, (partitions = new Map()))
    let partition = partitions.get(document.partition)
    if (!partition) partitions.set(document.partition, (partition = new Partition(document.collection, document.partition)))
    partition.documents.set(document.writer, document)
  }

  partition(collection: string, name: string): Partition | undefined {
    return this.#collections.get(collection)?.get(name)
  }

  /** The partition a document belongs to. */
  partitionOf({ collection, partition }: ReplicatedDocument): Partition {
    const found = this.partition(collection, partition)
    invariant(found !== undefined, 'every document has a partition')
    return found
  }

  /** Sorted by name. */
  partitions(collection: string): Partition[] {
    return [...(this.#collections.get(collection)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  *allPartitions(): Iterable<Partition> {
    for (const partitions of this.#collections.values()) yield* partitions.values()
  }

  /** The log `epoch` of a document is durable up to `seq`, and shown. */
  becameDurable(document: ReplicatedDocument, epoch: number, seq: number): void {
    this.becameShown(document, epoch, seq)
    document.log(epoch)?.becameDurable(seq, this.#logPacking)
  }

  /** Readers see the log `epoch` of a document up to `seq`. */
  becameShown(document: ReplicatedDocument, epoch: number, seq: number): void {
    const log = document.log(epoch)
    if (!log || log.shown >= seq) return
    this.#mix(document.id, epoch, log.shown)
    log.shown = seq
    this.#mix(document.id, epoch, seq)
  }

  /** Drops the logs of a document that a durable fold has replaced, and returns them. */
  dropReplaced(document: ReplicatedDocument): readonly Log[] {
    const dropped = document.replaced()
    if (dropped.length > 0) this.drop(document, dropped)
    return dropped
  }

  /**
   * Takes the folds of a partition that can be taken now, of documents that have changed and of those that waited. Returns these,
   * the keys that may be others now, and the seals that came with the folds.
   */
  settle(partition: Partition, changed: Iterable<ReplicatedDocument>): Settled {
    const settled = { keys: new Set<string>(), sealed: [] as Sealed[], folded: [] as ReplicatedDocument[] }
    for (const document of changed) if (document.hasOpenFold) partition.deferred.add(document)
    const held = partition.heldWithFolds()
    for (const document of [...partition.deferred]) {
      const keys = document.takeFold(held)
      if (!document.hasOpenFold) partition.deferred.delete(document)
      if (!keys) continue
      settled.folded.push(document)
      for (const key of keys) settled.keys.add(key)
      settled.sealed.push(...document.seals.map((seal) => ({ partition, seal, by: document })))
    }
    if (settled.sealed.length > 0) partition.noteSeals()
    return settled
  }

  /** Takes logs out of a document, and the document itself if it has no others. */
  drop(document: ReplicatedDocument, logs: readonly Log[]): void {
    document.drop(logs)
    for (const { epoch, shown } of logs) this.#mix(document.id, epoch, shown)
    if (document.logs().length > 0) return
    const partitions = this.#collections.get(document.collection)
    const partition = partitions?.get(document.partition)
    this.#byId.delete(document.id)
    partition?.documents.delete(document.writer)
    partition?.noteSeals()
    partition?.deferred.delete(document)
    if (partition?.documents.size === 0) partitions?.delete(document.partition)
  }

  digest(): string {
    return [...this.#digest].map((half) => half.toString(16).padStart(8, '0')).join('')
  }

  /** Exclusive or of one FNV-1a hash per head: mixing a head in a second time takes it out. */
  #mix(id: string, epoch: number, seq: number): void {
    if (seq === 0) return
    const text = `${id}|${epoch}|${seq}`
    for (const half of [0, 1]) {
      let hash = half === 0 ? 0x811c9dc5 : 0x01234567
      for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
      this.#digest[half] = ((this.#digest[half] ?? 0) ^ hash) >>> 0
    }
  }
}
