/**
 * Whether a link that answers is as good as it should be. What the windows show must last to be believed
 * (`Persistence`); some faults are certain at once.
 */
import type { Instant } from '@causeway/protocol'
import { delayFaultOf, lossFaultOf } from './link-measures.ts'
import type { MonitorConfig } from './monitor-config.ts'
import { Persistence } from './persistence.ts'
import type { ProbeTrack } from './probe-track.ts'

export class Quality {
  readonly #config: MonitorConfig
  /** Of the two ends the one that probes. */
  readonly #probes: boolean
  readonly #persistence: Persistence
  /** How long the peer's process has not run, as its last packet says, ms. */
  peerAgeMs = 0
  /** The peer finds the link degraded. */
  peerDegraded = false
  #impaired = false

  constructor(config: MonitorConfig, probes: boolean) {
    this.#config = config
    this.#probes = probes
    this.#persistence = new Persistence(config.degradedAfterMs, config.cleanMs)
  }

  /** The peer's process has stood still for so long that it counts as dead, although its socket answers. */
  get hung(): boolean {
    return this.peerAgeMs >= this.#config.hungMs
  }

  /** The link is degraded by more than delay: whoever can should leave it at once. */
  get impaired(): boolean {
    return this.#persistence.active && this.#impaired
  }

  /** Why the link is degraded now; `undefined` if it is not. */
  judge(now: Instant, track: ProbeTrack): string | undefined {
    const loss = lossFaultOf(track, now, this.#config)
    const fault = loss ?? delayFaultOf(track, now, this.#config)
    this.#persistence.observe(now, fault !== undefined)
    const certain = this.#certainFault(track)
    if (certain !== undefined) this.#persistence.raise()
    if (!this.#persistence.active) this.#impaired = false
    else if (loss !== undefined || (certain !== undefined && this.#isMoreThanDelay(now, track))) this.#impaired = true
    return this.#persistence.active ? (certain ?? fault ?? 'was worse than it should be') : undefined
  }

  /** When the judgement changes if nothing comes. */
  get changesAt(): Instant | undefined {
    return this.#persistence.changesAt
  }

  reset(): void {
    this.#persistence.reset()
  }

  /** The peer does not say why it finds the link degraded: loss of half the threshold bears it out. */
  #isMoreThanDelay(now: Instant, track: ProbeTrack): boolean {
    if (this.#probes || !this.peerDegraded) return true
    const { forward, backward } = track.loss.recentRatio(now, this.#config.degradedProbesMin)
    return Math.max(forward ?? 0, backward ?? 0) > this.#config.degradedLossRatio / 2
  }

  #certainFault(track: ProbeTrack): string | undefined {
    if (this.peerAgeMs > this.#config.standstillMs) return `its process has stood still for ${this.peerAgeMs} ms`
    if (!this.#probes) return this.peerDegraded ? 'the peer finds it degraded' : undefined
    if (!track.alarm.raised) return undefined
    track.alarm.reset()
    return 'has begun to lose packets'
  }
}
