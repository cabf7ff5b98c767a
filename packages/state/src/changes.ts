/** What is to become durable together, while it is gathered: a ticket in the making. */
import type { StoreEntry } from '@causeway/protocol'
import { type Batch, type DocumentName, type LogPoint, documentId } from './batch.ts'
import { batchEntry, dropEntries } from './batch-store.ts'
import type { Log } from './log.ts'
import type { Partition } from './partition.ts'
import type { Signer } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { Ticket } from './tickets.ts'

export class Changes {
  readonly entries: StoreEntry[] = []
  readonly #crypto: Signer
  readonly #points = new Map<string, LogPoint & { readonly document: ReplicatedDocument }>()
  readonly #keys = new Map<Partition, Set<string>>()

  constructor(crypto: Signer) {
    this.#crypto = crypto
  }

  /** There is nothing to write, and nothing to show. */
  get isEmpty(): boolean {
    return this.entries.length + this.#points.size + this.#keys.size === 0
  }

  /** A batch has been applied. */
  add(document: ReplicatedDocument, batch: Batch): void {
    this.entries.push(batchEntry(this.#crypto, batch))
    this.reached(document, batch)
  }

  /** So much of a log is here, or on its way to the disk already. */
  reached(document: ReplicatedDocument, { epoch, seq }: LogPoint): void {
    this.#points.set(`${document.id}|${epoch}`, { document, epoch, seq })
  }

  has(name: DocumentName, epoch: number): boolean {
    return this.#points.has(`${documentId(name)}|${epoch}`)
  }

  /** Also of what is gathered here. */
  drop(logs: readonly Log[]): void {
    const gone = new Map(logs.flatMap(dropEntries).map((entry) => [entry.key, entry]))
    const kept = this.entries.filter(({ key }) => !gone.has(key))
    this.entries.length = 0
    // One by one: a log may have more batches than a call takes arguments.
    for (const entry of [...kept, ...gone.values()]) this.entries.push(entry)
  }

  /** These records may be others now. */
  touch(partition: Partition, keys: Iterable<string>): void {
    let touched = this.#keys.get(partition)
    if (!touched) this.#keys.set(partition, (touched = new Set()))
    for (const key of keys) touched.add(key)
  }

  /** The documents that have new batches. */
  get documents(): ReadonlySet<ReplicatedDocument> {
    return new Set([...this.#points.values()].map(({ document }) => document))
  }

  /** As of now. */
  ticket(): Pick<Ticket, 'points' | 'records'> {
    const records = [...this.#keys].flatMap(([partition, keys]) =>
      [...keys].map((key) => ({ partition, key, merged: partition.merged(key) })),
    )
    return { points: [...this.#points.values()], records }
  }
}
