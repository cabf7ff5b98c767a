/**
 * A log: the batches of one epoch of one document, 1, 2, 3, …, each signed as the one that follows the one before. They are
 * kept in memory, because peers may need any of them, until the writer folds its document and the whole log is dropped.
 *
 *  1. Batch `seq` is at index `seq - 1`; there are no gaps.
 *  2. durable ≤ seq: what is not on disk yet is not shown to readers.
 */
import { invariant } from '@causeway/protocol'
import type { Batch, LogHead, LogPoint } from './batch.ts'
import type { WriterCredential } from './writer-credentials.ts'

const NO_LINK = new Uint8Array(0)

export class Log {
  readonly epoch: number
  readonly head: LogHead
  readonly credential: WriterCredential
  readonly #batches: Batch[] = []
  readonly #links: Uint8Array[] = []
  #bytes = 0
  durable = 0

  constructor(epoch: number, head: LogHead, credential: WriterCredential) {
    this.epoch = epoch
    this.head = head
    this.credential = credential
  }

  get seq(): number {
    return this.#batches.length
  }

  /** Of all its batches as they are encoded. */
  get bytes(): number {
    return this.#bytes
  }

  /** What the next batch has to follow. */
  get tip(): Uint8Array {
    return this.#links.at(-1) ?? NO_LINK
  }

  /** It is a fold, and with its first `seq` batches everything that was live is there. */
  folded(seq: number): boolean {
    return this.head.parts > 0 && seq >= this.head.parts
  }

  append(batch: Batch, link: Uint8Array): void {
    invariant(batch.seq === this.seq + 1, 'a log is appended to in order')
    this.#batches.push(batch)
    this.#links.push(link)
    this.#bytes += batch.encoded.length
  }

  at(seq: number): Batch {
    const batch = this.#batches[seq - 1]
    invariant(batch !== undefined, `the log has no batch ${seq}`)
    return batch
  }

  /** The point after its first `seq` batches, of which there is at least one. */
  point(seq: number): LogPoint {
    return { epoch: this.epoch, seq, link: this.#links[seq - 1] }
  }

  batches(): readonly Batch[] {
    return this.#batches
  }
}
