/**
 * A fold that is being made, part by part, since all of a large document at once would keep a node from everything else: 10,000
 * records take a quarter of a second. Nobody sees anything of it before `ReplicatedDocument.install`, which refuses it if the
 * document is no longer what it was at the beginning.
 */
import { invariant } from '@causeway/protocol'
import type { HeadMore, LogPoint } from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import { type Live, foldChunks } from './fold.ts'
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
  /** What it will be when it is installed. */
  readonly document: Document = new Document()
  readonly parts: CheckedUpdate[] = []
  readonly #updates: Iterator<Uint8Array, void>

  constructor(basis: FoldBasis) {
    this.basis = basis
    this.#updates = Document.updatesOf(basis.epoch, foldChunks(basis.live, basis.epoch, basis.writer))
  }

  /** Makes one part more; how many entries are in it, or `undefined` if all are there. */
  step(): number | undefined {
    const { value: update, done } = this.#updates.next()
    if (done) return undefined
    const { writer, epoch, more } = this.basis
    const result = checkUpdate({ update, writer, epoch, seq: this.parts.length + 1, head: { parts: 1, more } }, this.document)
    invariant(result.ok, `our own fold passes the gate${result.ok ? '' : `: ${result.reason}`}`)
    this.document.apply([result.checked], new Set())
    this.parts.push(result.checked)
    return result.checked.entries.length
  }
}

/** The updates of a fold that arrives thin, made of what was live when it began to, each when its turn has come. */
export class FoldParts {
  readonly epoch: number
  readonly #updates: Iterator<Uint8Array, void>
  #seq = 0
  #update: Uint8Array | undefined

  constructor(writer: string, epoch: number, live: Live) {
    this.epoch = epoch
    this.#updates = Document.updatesOf(epoch, foldChunks(live, epoch, writer))
  }

  /** Of one part or the one after that. */
  at(seq: number): Uint8Array | undefined {
    if (seq === this.#seq + 1) {
      this.#seq = seq
      this.#update = this.#updates.next().value ?? undefined
    }
    return seq === this.#seq ? this.#update : undefined
  }
}
