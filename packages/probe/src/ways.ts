/**
 * The two ways of a link, and which of them the link rests on. UDP finds loss that TCP hides; control shares the
 * fate of the connection and finds it half open. A way that is silent while the other answers is no evidence, and
 * its silence no reason to suspect the link.
 */
import { type Evidence, type Instant, after } from '@causeway/protocol'
import type { MonitorConfig } from './monitor-config.ts'
import type { Via } from './monitor-contract.ts'
import { ProbeTrack } from './probe-track.ts'

export class Ways {
  readonly udp: ProbeTrack
  readonly control: ProbeTrack
  readonly #config: MonitorConfig
  readonly #answers: Record<Via, boolean> = { udp: false, control: false }
  #open = false

  constructor(config: MonitorConfig) {
    this.#config = config
    this.udp = new ProbeTrack(config)
    this.control = new ProbeTrack(config)
  }

  /** UDP is to be had. */
  get open(): boolean {
    return this.#open
  }

  setOpen(open: boolean): void {
    this.#open = open
    if (!open) this.#answers.udp = false
  }

  /** `via`, or the other way if only that one answers: what is known to be silent can prove nothing. */
  trusted(via: Via): Via {
    const { udp, control } = this.#answers
    if (udp !== control) return udp ? 'udp' : 'control'
    return this.#open ? via : 'control'
  }

  /** A good reply came over `via`. */
  answered(via: Via): void {
    if (this.#answers[via]) return
    // What was lost while this way was silent is no measure of the way that comes back.
    this[via].loss.restart()
    this.#answers[via] = via === 'control' || this.#open
  }

  /** Nothing is known to answer any more. */
  reset(): void {
    this.#answers.udp = false
    this.#answers.control = false
  }

  get evidence(): Evidence {
    const { udp, control } = this.#answers
    return udp ? (control ? 'both' : 'udp') : control ? 'control' : 'none'
  }

  /** For people: what answers, and what does not although it should. */
  get words(): string {
    switch (this.evidence) {
      case 'both':
        return 'answers over udp and control'
      case 'udp':
        return this.control.silence.probes > 0 ? 'answers over udp, control is silent' : 'answers over udp'
      case 'control':
        return this.#open && this.udp.silence.probes > 0 ? 'answers over control, udp is silent' : 'answers over control'
      case 'none':
        return 'answers over nothing'
    }
  }

  /** The way whose figures stand for the link: UDP where it answers. */
  get measured(): ProbeTrack | undefined {
    for (const track of [this.#answers.udp ? this.udp : this.control, this.control, this.udp]) {
      if (track.roundTrip.smoothedMs !== null) return track
    }
    return undefined
  }

  /** The way that has just fallen silent while the other answers, if any. */
  silence(now: Instant, stretchMs: (ms: number) => number): Via | undefined {
    if (!this.#answers.udp || !this.#answers.control) return undefined
    const { udpSilentProbes, controlSilentProbes, controlSilentMs } = this.#config
    const silent = (track: ProbeTrack, other: ProbeTrack, probes: number, ms: number): boolean => {
      const { since } = track.silence
      if (since === undefined || track.silence.probes < probes) return false
      if (other.repliedAt === undefined || other.repliedAt <= since) return false
      return now >= after(since, stretchMs(Math.max(ms, track.timeoutMs())))
    }
    const via = silent(this.udp, this.control, udpSilentProbes, 0)
      ? 'udp'
      : silent(this.control, this.udp, controlSilentProbes, controlSilentMs)
        ? 'control'
        : undefined
    if (via) this.#answers[via] = false
    return via
  }

  /** The longest timeout among the ways that answer, ms. */
  get timeoutMs(): number {
    return Math.max(this.#answers.udp ? this.udp.timeoutMs() : 0, this.#answers.control ? this.control.timeoutMs() : 0)
  }
}
