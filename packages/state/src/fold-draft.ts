/**
 * A fold that is being made, part by part, since all of a large document at once would keep a node from everything else: 10,000
 * records take a quarter of a second. Nobody sees anything of it before `ReplicatedDocument.install`, which refuses it if the
 * document is no longer what it was at the beginning.
 */
import { invariant } from '@causeway/protocol'
import type { HeadMore, LogPoint } from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import { type Live, foldChunks } from './fold.ts'
import type { Content } from './entry.ts'
import { type KnownClocks, checkUpdate } from './update-gate.ts'

/** What a fold is made of, and what it rests on. */
export interface FoldBasis {
  readonly writer: string
  readonly epoch: number
  readonly live: Live
  readonly base: readonly LogPoint[]
  readonly more: HeadMore
}

/** The updates of a fold, each made when its turn has come, in a document of its own. */
export class FoldParts implements KnownClocks {
  readonly epoch: number
  /** Holds the parts that were made; its index follows with `index`. */
  readonly document: Document = new Document()
  readonly #chunks: Iterator<readonly Content[], void>
  #seq = 0
  #update: Uint8Array | undefined
  #clock = 0

  constructor({ writer, epoch, live }: Pick<FoldBasis, 'writer' | 'epoch' | 'live'>) {
    this.epoch = epoch
    this.#chunks = foldChunks(live, epoch, writer)[Symbol.iterator]()
  }

  /** Of one part or the one after that. */
  at(seq: number): Uint8Array | undefined {
    if (seq === this.#seq + 1) {
      this.#seq = seq
      this.#clock = this.document.clockOf(this.epoch)
      const { value: contents, done } = this.#chunks.next()
      this.#update = done ? undefined : this.document.append(this.epoch, contents)
    }
    return seq === this.#seq ? this.#update : undefined
  }

  /** Before the part that was made last. */
  clockOf(epoch: number): number {
    return epoch === this.epoch ? this.#clock : 0
  }
}

export class FoldDraft {
  readonly basis: FoldBasis
  readonly parts: CheckedUpdate[] = []
  readonly #made: FoldParts

  constructor(basis: FoldBasis) {
    this.basis = basis
    this.#made = new FoldParts(basis)
  }

  /** What it will be when it is installed. */
  get document(): Document {
    return this.#made.document
  }

  /** Makes one part more; how many entries are in it, or `undefined` if all are there. */
  step(): number | undefined {
    const seq = this.parts.length + 1
    const update = this.#made.at(seq)
    if (!update) return undefined
    const { writer, epoch, more } = this.basis
    const result = checkUpdate({ update, writer, epoch, seq, head: { parts: 1, more } }, this.#made)
    invariant(result.ok, `our own fold passes the gate${result.ok ? '' : `: ${result.reason}`}`)
    this.document.index(result.checked, new Set())
    this.parts.push(result.checked)
    return result.checked.entries.length
  }
}
