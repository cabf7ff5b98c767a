/** What peers say about the documents that this node writes: how far they hold them, and whether they hold more than we do. */
import type { Backlog, Holder } from './backlog.ts'
import { documentId } from './batch.ts'
import type { Documents } from './documents.ts'
import type { Head } from './sync-message.ts'

export class OwnDocuments {
  readonly #self: string
  readonly #documents: Documents
  readonly #backlog: Backlog

  constructor(self: string, documents: Documents, backlog: Backlog) {
    this.#self = self
    this.#documents = documents
    this.#backlog = backlog
  }

  /** Returns the largest epoch of which somebody holds more than we do, or another log: we must not go on with it. */
  note(heads: readonly Head[], by: Holder): number | undefined {
    let ahead: number | undefined
    for (const head of heads) {
      if (head.writer !== this.#self) continue
      const document = this.#documents.get(documentId(head))
      if (document) this.#backlog.acknowledged(document, head.points, by)
      for (const point of head.points) if (!document?.holds(point) || document.contradicts(point)) ahead = Math.max(ahead ?? 0, point.epoch)
    }
    return ahead
  }
}
