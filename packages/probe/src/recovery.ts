/**
 * The way up of a link that was down: enough good replies, and long enough without a gap. How long is long enough
 * is the hold's to say.
 */
import { type Instant, after } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'

export class Recovery {
  readonly #config: MonitorConfig
  #since: Instant | undefined
  #lastAt: Instant | undefined
  #replies = 0

  constructor(config: MonitorConfig) {
    this.#config = config
  }

  /** A good reply came; true if it is the first, or the first after a gap. */
  reply(now: Instant): boolean {
    const first = this.#lastAt === undefined || this.#gapAt(now)
    if (first) {
      this.#since = now
      this.#replies = 0
    }
    this.#lastAt = now
    this.#replies++
    return first
  }

  /** When the link comes up, unless it falls silent; the reply must be fresh that brings it up. */
  upAt(holdMs: number): Instant | undefined {
    if (this.#since === undefined || this.#lastAt === undefined || this.#replies < this.#config.recoveryReplies) return undefined
    const at = after(this.#since, holdMs)
    return at <= after(this.#lastAt, this.#config.recoveryFreshMs) ? at : undefined
  }

  /** Whether the link is up now. A wake-up so late that no reply is fresh starts the recovery anew. */
  complete(now: Instant, holdMs: number): boolean {
    const at = this.upAt(holdMs)
    if (at === undefined || now < at) return false
    if (this.#lastAt !== undefined && now <= after(this.#lastAt, this.#config.recoveryFreshMs)) return true
    this.reset()
    return false
  }

  reset(): void {
    this.#since = undefined
    this.#lastAt = undefined
    this.#replies = 0
  }

  #gapAt(now: Instant): boolean {
    return this.#lastAt !== undefined && now > after(this.#lastAt, this.#config.recoveryGapMs)
  }
}
