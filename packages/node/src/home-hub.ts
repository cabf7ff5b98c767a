/**
 * Which hub the gateway of a site exchanges state with; or a hub of a lower tier, of those above it.
 *
 *  1. It is the cheapest at the moment of choosing, and is kept until it has been unreachable for 1 s.
 *  2. A hub that drains is nobody's home while there is another.
 */
import { type Instant, type NodeId, after, earliest } from '@causeway/protocol'

const PATIENCE_MS = 1_000
/** Links to hubs come up one after the other: wait for the better one before choosing. */
const FIRST_CHOICE_MS = 300

export class HomeHub {
  #home: NodeId | undefined
  #lostAt: Instant | undefined
  #firstHubAt: Instant | undefined

  get hub(): NodeId | undefined {
    return this.#home
  }

  linkUp(now: Instant): void {
    this.#firstHubAt ??= now
  }

  linkDown(now: Instant, hub: NodeId): void {
    if (hub === this.#home) this.#lostAt = now
  }

  /** `hubs` are those with a live link, cheapest first, those that drain last. True if there is another home now. */
  choose(now: Instant, hubs: readonly NodeId[], drains: (hub: NodeId) => boolean): boolean {
    const [best] = hubs
    if (best === undefined) return false
    const left = this.#home !== undefined && drains(this.#home) && !drains(best)
    if (this.#home !== undefined && hubs.includes(this.#home) && !left) {
      this.#lostAt = undefined
      return false
    }
    if (!left && now < (this.nextWake() ?? now)) return false
    this.#home = best
    this.#lostAt = undefined
    return true
  }

  /** When a choice is due, if there is a hub then. */
  nextWake(): Instant | undefined {
    const first = this.#home === undefined && this.#firstHubAt !== undefined ? after(this.#firstHubAt, FIRST_CHOICE_MS) : undefined
    const lost = this.#lostAt === undefined ? undefined : after(this.#lostAt, PATIENCE_MS)
    return earliest(first, lost)
  }
}
