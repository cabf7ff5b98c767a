/**
 * Writes that wait for the next flush, in the order they came. They leave in portions, each small enough for one batch:
 * what gathers in one turn has no bound, and a batch has.
 */
import type { WriteInput } from './replica-contract.ts'
import { changeBytes } from './write-check.ts'

/** So much does not wait for the store. */
const GATHER = { changes: 1_000, bytes: 64 * 1024 } as const
/** The gate takes 2,000 entries of one update, and a message 4 MiB. */
const PORTION = { changes: 1_000, bytes: 256 * 1024 } as const

export class WriteQueue {
  #portions: WriteInput[][] = []
  #total = { changes: 0, bytes: 0 }
  /** Of the last portion. */
  #last = { changes: 0, bytes: 0 }

  get isEmpty(): boolean {
    return this.#portions.length === 0
  }

  get isFull(): boolean {
    return this.#total.changes >= GATHER.changes || this.#total.bytes >= GATHER.bytes
  }

  add(input: WriteInput): void {
    const changes = input.changes.length
    const bytes = input.changes.reduce((sum, change) => sum + changeBytes(change), 0)
    const portion = this.#portions.at(-1)
    if (portion && this.#last.changes + changes <= PORTION.changes && this.#last.bytes + bytes <= PORTION.bytes) {
      portion.push(input)
      this.#last = { changes: this.#last.changes + changes, bytes: this.#last.bytes + bytes }
    } else {
      this.#portions.push([input])
      this.#last = { changes, bytes }
    }
    this.#total = { changes: this.#total.changes + changes, bytes: this.#total.bytes + bytes }
  }

  /** All that waits; a portion may be larger only if it is a single write. */
  take(): readonly (readonly WriteInput[])[] {
    const portions = this.#portions
    this.#portions = []
    this.#total = { changes: 0, bytes: 0 }
    return portions
  }
}
