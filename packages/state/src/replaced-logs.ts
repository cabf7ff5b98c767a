/**
 * Logs that a fold has replaced, and that are kept for a while all the same: who is about to get their end can then make the
 * fold by himself.
 */
import { Deadlines, type Instant, type StoreEntry, after } from '@causeway/protocol'
import { dropEntries } from './batch-store.ts'
import type { Documents } from './documents.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

const KEEP_MS = 10_000
/** But no more than this of one document. */
const KEEP_BYTES_MAX = 512 * 1024

export class ReplacedLogs {
  readonly #documents: Documents
  readonly #deadlines = new Deadlines<ReplicatedDocument>()
  readonly #waiting = new Set<ReplicatedDocument>()

  constructor(documents: Documents) {
    this.#documents = documents
  }

  /** Something of the document has become durable. */
  look(now: Instant, document: ReplicatedDocument): void {
    const bytes = document.replaced().reduce((sum, log) => sum + log.bytes, 0)
    if (bytes === 0) return
    if (bytes > KEEP_BYTES_MAX) this.#deadlines.set(document, now)
    else if (!this.#waiting.has(document)) this.#deadlines.set(document, after(now, KEEP_MS))
    this.#waiting.add(document)
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  /** Drops those whose time has come; what is to be deleted from the store. */
  drop(now: Instant): StoreEntry[] {
    const due = this.#deadlines.due(now)
    for (const document of due) this.#waiting.delete(document)
    return due.flatMap((document) => this.#documents.dropReplaced(document).flatMap(dropEntries))
  }
}
