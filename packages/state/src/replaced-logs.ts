/**
 * Logs that a fold has replaced. They are dropped as soon as the fold is durable and on its way to all who listen; but kept for
 * a while for a peer that is about to get their end: it can then make the fold by itself. From the disk they go with what
 * completes the fold: it never holds both.
 */
import { type Instant, type StoreEntry, after, earliest } from '@causeway/protocol'
import { dropEntries } from './batch-store.ts'
import type { Documents } from './documents.ts'
import type { Log } from './log.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

const KEEP_MS = 10_000
/** But no more than this of one document. */
const KEEP_BYTES_MAX = 512 * 1024

export class ReplacedLogs {
  readonly #documents: Documents
  /** Documents that have such, and how long they keep them at most. */
  readonly #kept = new Map<ReplicatedDocument, Instant>()

  /** Those that the disk has no more. */
  readonly #erased = new WeakSet<Log>()

  constructor(documents: Documents) {
    this.#documents = documents
  }

  /** What a fold replaces that is about to be written as a whole: to be deleted from the store in the same go. */
  erase(document: ReplicatedDocument): Log[] {
    const logs = document.logs().filter(({ epoch }) => epoch < document.foldEpoch)
    for (const log of logs) this.#erased.add(log)
    return logs
  }

  /** Something of the document has become durable. */
  look(now: Instant, document: ReplicatedDocument): void {
    if (!this.#kept.has(document) && document.replaced().length > 0) this.#kept.set(document, after(now, KEEP_MS))
  }

  nextWake(): Instant | undefined {
    return [...this.#kept.values()].reduce(earliest, undefined)
  }

  /** Drops those that nobody waits for any more; what is to be deleted from the store. */
  drop(now: Instant, isAwaited: (document: ReplicatedDocument) => boolean): StoreEntry[] {
    const entries: StoreEntry[] = []
    for (const [document, until] of this.#kept) {
      const bytes = document.replaced().reduce((sum, log) => sum + log.bytes, 0)
      if (until > now && bytes <= KEEP_BYTES_MAX && isAwaited(document)) continue
      this.#kept.delete(document)
      const dropped = this.#documents.dropReplaced(document).filter((log) => !this.#erased.has(log))
      for (const entry of dropped.flatMap(dropEntries)) entries.push(entry)
    }
    return entries
  }
}
