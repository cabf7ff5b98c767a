/**
 * The last question before a link is called down: eight probes in quick succession, or ten where packets were lost lately,
 * all of which must fail. They go over UDP, and twice over control as well (or all over the one that answers, if the other is
 * known to be silent). Any answer ends it.
 */
import { type Instant, after } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'
import type { Via } from './monitor-contract.ts'

/** The other way is asked twice, since one of them may be lost; and not at once, because most bursts end at once. */
const OTHER_PROBES: readonly number[] = [2, 5]

export class Burst {
  /** How many it takes. */
  readonly probes: number
  readonly #config: MonitorConfig
  /** When its first probe was due. */
  #beganAt: Instant
  #left: number
  #nextAt: Instant
  #lastAt: Instant
  #repeats = 0

  /** `lossRatio`: how much the link has lost of late. */
  constructor(now: Instant, config: MonitorConfig, lossRatio: number) {
    this.#config = config
    this.probes = lossRatio < config.lossyRatio ? config.burstProbes : config.burstProbesLossy
    this.#beganAt = now
    this.#left = this.probes
    this.#nextAt = now
    this.#lastAt = now
  }

  get beganAt(): Instant {
    return this.#beganAt
  }

  /** When the next probe is due; `undefined` once all are sent. */
  get nextAt(): Instant | undefined {
    return this.#left > 0 ? this.#nextAt : undefined
  }

  /** When all have failed; `undefined` while there are probes to send. */
  verdictAt(waitMs: number): Instant | undefined {
    return this.#left > 0 ? undefined : after(this.#lastAt, waitMs)
  }

  /** The ways to probe now, of those that can prove anything. */
  take(now: Instant, usual: Via, other: Via | undefined): Via[] {
    const both = other !== undefined && OTHER_PROBES.includes(this.probes - this.#left)
    this.#left--
    this.#lastAt = now
    this.#nextAt = after(now, this.#config.burstSpacingMs)
    return both ? [usual, other] : [usual]
  }

  /** Asks again from the start; false if that was done often enough. */
  repeat(now: Instant): boolean {
    if (this.#repeats >= this.#config.burstRepeatsMax) return false
    this.#repeats++
    this.#beganAt = now
    this.#left = this.probes
    this.#nextAt = now
    return true
  }
}
