/** Chance from the operating system, fetched in blocks: a system call per number would cost more than its use. */
import { randomFillSync } from 'node:crypto'
import type { Random } from '@causeway/protocol'

const BLOCK = 1024

export class SystemRandom implements Random {
  readonly #block = new Uint32Array(BLOCK)
  #at = BLOCK

  uint32(): number {
    if (this.#at >= BLOCK) {
      randomFillSync(this.#block)
      this.#at = 0
    }
    return this.#block[this.#at++] ?? 0
  }

  float(): number {
    return this.uint32() / 2 ** 32
  }
}
