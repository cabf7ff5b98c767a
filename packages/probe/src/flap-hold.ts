/**
 * Up slowly: a link that falls again and again is kept down longer each time, so that traffic does not follow it
 * back and forth.
 *
 *     at every fall from up:  level = max(0, level − time up / decay) + 1
 *     hold = min(hold₀ · 2^(level − 1), holdMax)
 *
 * So each fall doubles the hold, and each 10 minutes up in one piece halve it; level is capped where the hold is.
 */
import { MONITOR_DEFAULTS, type MonitorConfig } from './monitor-config.ts'

export class FlapHold {
  readonly #config: MonitorConfig
  readonly #levelMax: number
  #level = 0

  constructor(config: MonitorConfig = MONITOR_DEFAULTS) {
    this.#config = config
    this.#levelMax = 1 + Math.log2(config.holdMsMax / config.holdMs)
  }

  /** The link fell after it had been usable for `upMs`. */
  fall(upMs: number): void {
    this.#level = Math.min(this.#levelMax, Math.max(0, this.#level - upMs / this.#config.holdDecayMs) + 1)
  }

  /** Whether it has fallen lately at all. */
  get fallen(): boolean {
    return this.#level > 0
  }

  /** How long replies must keep coming before the link is up. */
  get holdMs(): number {
    return Math.min(this.#config.holdMsMax, this.#config.holdMs * 2 ** Math.max(0, this.#level - 1))
  }
}
