/**
 * The folds that a writer has begun, one after the other, some hundred entries a turn. Small ones are done in the turn that begins
 * them. What is written meanwhile waits: it must not rest on what a reader of the fold has never seen.
 */
import type { FoldDraft } from './fold-draft.ts'
import type { OwnBatch, ReplicatedDocument } from './replicated-document.ts'
import type { WriterCredential } from './writer-credentials.ts'

/** As many as a part has at most: about 10 ms. */
const TURN_ENTRIES = 500

export class OpenFolds {
  readonly #open: { readonly document: ReplicatedDocument; readonly draft: FoldDraft }[] = []

  get isEmpty(): boolean {
    return this.#open.length === 0
  }

  begin(document: ReplicatedDocument, epoch: number): void {
    this.#open.push({ document, draft: document.draftFold(epoch) })
  }

  /** Does a turn's work. Returns what is complete, and the documents whose fold has to be begun anew: they have changed. */
  advance(credential: WriterCredential): { readonly folds: OwnBatch[]; readonly failed: readonly ReplicatedDocument[] } {
    const folds: OwnBatch[] = []
    const failed: ReplicatedDocument[] = []
    for (let made = 0; made < TURN_ENTRIES;) {
      const [first] = this.#open
      if (!first) break
      const entries = first.draft.step()
      made += entries ?? 0
      if (entries !== undefined) continue
      this.#open.shift()
      const batches = first.document.install(first.draft, credential)
      if (batches) for (const batch of batches) folds.push(batch)
      else failed.push(first.document)
    }
    return { folds, failed }
  }

  /** What is not complete is as if it had never been begun. */
  abandon(): void {
    this.#open.length = 0
  }
}
