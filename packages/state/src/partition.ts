/**
 * A partition: the merge of its documents, one per writer. Per key the entry with the highest stamp wins, over all
 * writers; a winning mark means that the record does not exist.
 *
 *  1. What is shown has been persisted: a ticket carries the winners of its moment, and shows them when it is durable.
 *  2. `winner` and `contentHash` depend on the set of batches held, not on the order in which they came.
 */
import { type Hasher, type RecordView, encodeRecord, hex } from '@causeway/protocol'
import { type Entry, compareEntries } from './entry.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { revisionOf } from './stamp.ts'

export interface Shown {
  readonly change: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly record: RecordView
}

interface Visible {
  readonly entry: Entry
  /** `undefined` for a mark. */
  readonly record: RecordView | undefined
}

export class Partition {
  readonly collection: string
  readonly name: string
  readonly documents: Map<string, ReplicatedDocument> = new Map()
  readonly #visible = new Map<string, Visible>()
  #live = 0

  constructor(collection: string, name: string) {
    this.collection = collection
    this.name = name
  }

  /** Number of records that exist. */
  get live(): number {
    return this.#live
  }

  /** The winning entry of `key`, a mark included, persisted or not. */
  winner(key: string): Entry | undefined {
    let best: Entry | undefined
    for (const document of this.documents.values()) {
      const entry = document.get(key)
      if (entry && (!best || compareEntries(entry, best) > 0)) best = entry
    }
    return best
  }

  keys(): Set<string> {
    const keys = new Set<string>()
    for (const document of this.documents.values()) for (const key of document.keys()) keys.add(key)
    return keys
  }

  get(key: string): RecordView | undefined {
    return this.#visible.get(key)?.record
  }

  /** Records that exist, by key. */
  records(): RecordView[] {
    const records: RecordView[] = []
    for (const { record } of this.#visible.values()) if (record) records.push(record)
    return records.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Shows `entry` as the state of its key from now on; `undefined` if nothing changes for readers. */
  show(entry: Entry): Shown | undefined {
    const before = this.#visible.get(entry.key)
    if (before && compareEntries(before.entry, entry) >= 0) return undefined
    if (entry.deleted) {
      this.#visible.set(entry.key, { entry, record: undefined })
      if (!before?.record) return undefined
      this.#live -= 1
      const stamp = { revision: revisionOf(entry), writer: entry.writer, asOf: entry.ms }
      return { change: 'DELETED', record: { ...before.record, ...stamp } }
    }
    const record = viewOf(entry, this.name)
    this.#visible.set(entry.key, { entry, record })
    if (!before?.record) this.#live += 1
    return { change: before?.record ? 'MODIFIED' : 'ADDED', record }
  }

  /** Over records and marks with their stamps, sorted by key. */
  contentHash(crypto: Hasher): string {
    const entries = [...this.#visible.values()].map(({ entry }) => entry).sort((a, b) => (a.key < b.key ? -1 : 1))
    const state = entries.map((e) => [e.key, e.deleted, e.value, e.labels, e.ms, e.counter, e.writer, e.epoch])
    return hex(crypto.hash(encodeRecord(state)))
  }
}

function viewOf(entry: Entry, partition: string): RecordView {
  const { key, value, labels, writer } = entry
  return { key, partition, value, labels, revision: revisionOf(entry), writer, asOf: entry.ms }
}
