/** How many frames a second pass through, from a counter that is looked at about once a second. */
import type { Instant } from '@causeway/protocol'

/** Looks that are remembered; the oldest is the one compared with. */
const LOOKS = 3

export class RelayRate {
  readonly #looks: { readonly at: Instant; readonly frames: number }[] = []

  observe(now: Instant, frames: number): void {
    const last = this.#looks.at(-1)
    if (last && now - last.at < 500) return
    this.#looks.push({ at: now, frames })
    if (this.#looks.length > LOOKS) this.#looks.shift()
  }

  /** `null` before anything could be compared. */
  perSecond(now: Instant, frames: number): number | null {
    const first = this.#looks[0]
    return first && now > first.at ? Math.round((1_000 * (frames - first.frames)) / (now - first.at)) : null
  }
}
