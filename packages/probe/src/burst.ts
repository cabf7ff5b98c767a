/**
 * The last question before a link is called down: eight probes in quick succession, over UDP and control in turn (or all
 * over the one that answers, if the other is known to be silent).
 * Any reply ends it; if the wait after the last one passes, all have failed.
 */
import { type Instant, after } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'
import type { Via } from './monitor-contract.ts'

export class Burst {
  /** Begun because a peer that is heard does not answer: then only replies end it. */
  readonly oneWay: boolean
  readonly #config: MonitorConfig
  #left: number
  #nextAt: Instant
  #lastAt: Instant
  #via: Via
  #repeats = 0

  constructor(now: Instant, config: MonitorConfig, first: Via, oneWay: boolean) {
    this.oneWay = oneWay
    this.#config = config
    this.#via = first
    this.#left = config.burstProbes
    this.#nextAt = now
    this.#lastAt = now
  }

  /** When the next probe is due; `undefined` once all are sent. */
  get nextAt(): Instant | undefined {
    return this.#left > 0 ? this.#nextAt : undefined
  }

  /** When all have failed; `undefined` while there are probes to send. */
  verdictAt(waitMs: number): Instant | undefined {
    return this.#left > 0 ? undefined : after(this.#lastAt, waitMs)
  }

  /** The way of the probe that is sent now. */
  take(now: Instant): Via {
    const via = this.#via
    this.#via = via === 'udp' ? 'control' : 'udp'
    this.#left--
    this.#lastAt = now
    this.#nextAt = after(now, this.#config.burstSpacingMs)
    return via
  }

  /** Asks again from the start; false if that was done often enough. */
  repeat(now: Instant): boolean {
    if (this.#repeats >= this.#config.burstRepeatsMax) return false
    this.#repeats++
    this.#left = this.#config.burstProbes
    this.#nextAt = now
    return true
  }
}
