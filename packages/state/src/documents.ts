/**
 * All documents of the replica, by id and by partition. Also the digest of the heads: a number that changes with
 * every batch that becomes durable, and is the same wherever the same batches are.
 */
import { invariant } from '@causeway/protocol'
import { type DocumentName, documentId } from './batch.ts'
import { Partition } from './partition.ts'
import type { Log } from './log.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import type { Signer } from './replica-contract.ts'
import type { WriterCredentials } from './writer-credentials.ts'

export class Documents {
  readonly #crypto: Signer
  readonly #credentials: WriterCredentials
  readonly #byId = new Map<string, ReplicatedDocument>()
  readonly #collections = new Map<string, Map<string, Partition>>()
  readonly #digest = new Uint32Array(2)

  constructor(crypto: Signer, credentials: WriterCredentials) {
    this.#crypto = crypto
    this.#credentials = credentials
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
    return this.#byId.get(documentId(name)) ?? new ReplicatedDocument(name, this.#crypto, this.#credentials)
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

  /** The log `epoch` of a document is durable up to `seq`. */
  becameDurable(document: ReplicatedDocument, epoch: number, seq: number): void {
    const log = document.log(epoch)
    if (!log || log.durable >= seq) return
    this.#mix(document.id, epoch, log.durable)
    log.durable = seq
    this.#mix(document.id, epoch, seq)
  }

  /** Drops the logs of a document that a durable fold has replaced, and returns them. */
  dropReplaced(document: ReplicatedDocument): readonly Log[] {
    const dropped = document.replaced()
    document.drop(dropped)
    for (const { epoch, durable } of dropped) this.#mix(document.id, epoch, durable)
    return dropped
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
