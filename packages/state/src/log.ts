/**
 * A log: the batches of one epoch of one document, 1, 2, 3, …, each naming the hash of the one before. All of them are
 * kept in memory, because peers may need any of them: a known limit until old ones are folded into snapshots.
 *
 *  1. Batch `seq` is at index `seq - 1`; there are no gaps.
 *  2. durable ≤ seq: what is not on disk yet is not shown to peers.
 */
import { type Hasher, equalBytes, invariant } from '@causeway/protocol'
import { type Batch, type LogPoint, linkOf } from './batch.ts'

const NO_LINK = new Uint8Array(0)

export class Log {
  readonly epoch: number
  readonly base: readonly LogPoint[]
  readonly #batches: Batch[] = []
  #tip: Uint8Array = NO_LINK
  durable = 0

  constructor(epoch: number, base: readonly LogPoint[]) {
    this.epoch = epoch
    this.base = base
  }

  get seq(): number {
    return this.#batches.length
  }

  /** What the next batch has to name as `previous`. */
  get tip(): Uint8Array {
    return this.#tip
  }

  continues(batch: Batch): boolean {
    return batch.seq === this.seq + 1 && equalBytes(batch.previous, this.#tip)
  }

  append(crypto: Hasher, batch: Batch): void {
    invariant(this.continues(batch), 'a log is appended to in order')
    this.#batches.push(batch)
    this.#tip = linkOf(crypto, batch)
  }

  at(seq: number): Batch {
    const batch = this.#batches[seq - 1]
    invariant(batch !== undefined, `the log has no batch ${seq}`)
    return batch
  }

  batches(): readonly Batch[] {
    return this.#batches
  }
}
