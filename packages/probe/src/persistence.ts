/**
 * A fault must persist to count, and its absence must persist longer to be believed: the hysteresis between `up`
 * and `degraded`.
 */
import { type Instant, after } from '@causeway/protocol'

export class Persistence {
  readonly #onsetMs: number
  readonly #clearMs: number
  #active = false
  /** Since when the observations contradict `#active`. */
  #contrarySince: Instant | undefined

  constructor(onsetMs: number, clearMs: number) {
    this.#onsetMs = onsetMs
    this.#clearMs = clearMs
  }

  get active(): boolean {
    return this.#active
  }

  observe(now: Instant, fault: boolean): void {
    if (fault === this.#active) {
      this.#contrarySince = undefined
      return
    }
    this.#contrarySince ??= now
    if (now < after(this.#contrarySince, this.#active ? this.#clearMs : this.#onsetMs)) return
    this.#active = fault
    this.#contrarySince = undefined
  }

  /** A fault that is certain: it counts at once, and must be absent for as long as any other. */
  raise(): void {
    this.#active = true
    this.#contrarySince = undefined
  }

  /** When `active` changes if what was observed last goes on. */
  get changesAt(): Instant | undefined {
    if (this.#contrarySince === undefined) return undefined
    return after(this.#contrarySince, this.#active ? this.#clearMs : this.#onsetMs)
  }

  reset(): void {
    this.#active = false
    this.#contrarySince = undefined
  }
}
