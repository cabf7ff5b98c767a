/**
 * When links that carry nothing are probed: together. A process that rests pays for being woken, not for what it does
 * then, so each of its links joins the next time that another has chosen, if that is no more than half an interval early.
 * In step with each other they are not in step with anybody else's: the interval is spread, once for all.
 *
 *     next = the beat of that pace, if it is ms/2 … from now; else now + ms · (1 ± spread)
 */
import { type Instant, type Random, after, jittered } from '@causeway/protocol'

/** How much sooner than due a link is probed, at the most, for the sake of company: as a share of the interval. */
const EARLY_RATIO = 0.5

export class IdleBeat {
  /** By pace, of which there are few: of uplinks, and within a site. */
  readonly #next = new Map<number, Instant>()

  /** When a link that is probed now is probed next, at most `ms` and the spread later. */
  following(now: Instant, ms: number, random: Random, spreadRatio: number): Instant {
    const next = this.#next.get(ms)
    if (next !== undefined && next - now >= EARLY_RATIO * ms) return next
    const own = after(now, jittered(random, ms, spreadRatio))
    this.#next.set(ms, own)
    return own
  }
}
