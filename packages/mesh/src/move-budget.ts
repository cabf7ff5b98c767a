/**
 * How many destinations may change their path for mere delay: at most an eighth of them in two seconds. The delay of a
 * path is partly one's own doing; if all left at once for the quicker one, that would become the slower, and so on.
 */
import type { Instant } from '@causeway/protocol'

const WINDOW_MS = 2_000
const SHARE = 1 / 8

export class MoveBudget {
  #windowAt: Instant | undefined
  #taken = 0

  /** Takes one move, if there is one left. */
  take(now: Instant, destinations: number): boolean {
    if (this.#windowAt === undefined || now - this.#windowAt >= WINDOW_MS) {
      this.#windowAt = now
      this.#taken = 0
    }
    if (this.#taken >= Math.max(1, Math.floor(destinations * SHARE))) return false
    this.#taken++
    return true
  }
}
