/**
 * A fold that is being made, part by part, since all of a large document at once would keep a node from everything else: 10,000
 * records take a quarter of a second. Its writer makes it, and so does who gets it thin. Nobody sees anything of it before
 * `ReplicatedDocument.install` or `accept`, which refuse it if the document is no longer what it was at the beginning.
 */
import { equalBytes } from '@causeway/protocol'
import type { Batch, HeadMore, LogPoint } from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import { type Live, foldChunks } from './fold.ts'
import type { Content } from './entry.ts'
import { checkUpdate } from './update-gate.ts'

/** What a fold is made of, and what it rests on. */
export interface FoldBasis {
  readonly writer: string
  readonly epoch: number
  readonly live: Live
  readonly base: readonly LogPoint[]
  readonly more: HeadMore
}

export class FoldDraft {
  readonly basis: FoldBasis
  readonly parts: CheckedUpdate[] = []
  /** Holds the parts that were made; what it will be when it is installed. */
  readonly document: Document = new Document()
  /** Why there is no further part, though something is left. */
  fault: string | undefined
  readonly #chunks: Iterator<readonly Content[], void>

  constructor(basis: FoldBasis) {
    this.basis = basis
    this.#chunks = foldChunks(basis.live, basis.epoch, basis.writer)[Symbol.iterator]()
  }

  /** Makes one part more; how many entries are in it, or `undefined` if there is none. */
  step(): number | undefined {
    const { value: contents, done } = this.#chunks.next()
    if (done || this.fault !== undefined) return undefined
    const { writer, epoch, more } = this.basis
    const clock = this.document.clockOf(epoch)
    const update = this.document.append(epoch, contents)
    const origin = { update, writer, epoch, seq: this.parts.length + 1, head: { parts: 1, more } }
    const result = checkUpdate(origin, { clockOf: (each) => (each === epoch ? clock : 0) })
    if (!result.ok) {
      this.fault = result.reason
      return undefined
    }
    this.document.index(result.checked, new Set())
    this.parts.push(result.checked)
    return result.checked.entries.length
  }

  /** The batch is not of this fold, or of a part that is not made, or that very part. */
  agrees({ epoch, seq, update }: Pick<Batch, 'epoch' | 'seq' | 'update'>): boolean {
    const part = epoch === this.basis.epoch ? this.parts[seq - 1] : undefined
    return !part || equalBytes(part.update, update)
  }

  /** Part `seq`, which counts from 1, made with those before it if it was not; `undefined` if there are not so many. */
  part(seq: number): CheckedUpdate | undefined {
    while (this.parts.length < seq && this.step() !== undefined);
    return this.parts[seq - 1]
  }
}
