/**
 * The two ways of a link, and which of them the link rests on. UDP finds loss that TCP hides; control shares the
 * fate of the connection and finds it half open. A way that is silent while the other answers is no evidence, and
 * its silence no reason to suspect the link.
 */
import { type Evidence, type Instant, type Probe, after } from '@causeway/protocol'
import { costOf } from './link-measures.ts'
import type { MonitorConfig } from './monitor-config.ts'
import type { Via } from './monitor-contract.ts'
import { ProbeTrack } from './probe-track.ts'

/** How the words end that do not stay. */
export const NOT_YET = ' not yet'

export class Ways {
  readonly udp: ProbeTrack
  readonly control: ProbeTrack
  readonly #config: MonitorConfig
  readonly #answers: Record<Via, boolean> = { udp: false, control: false }
  #open = false
  /** Proofs over control since the last one over UDP, where the peer probes. */
  #withoutUdp = 0

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
    if (open === this.#open) return
    this.#open = open
    if (!open) this.#answers.udp = false
  }

  /** The way to probe, and the other if it can prove anything as well: what is known to be silent cannot. */
  get trusted(): { readonly usual: Via; readonly other: Via | undefined } {
    const { udp, control } = this.#answers
    if (udp !== control) return { usual: udp ? 'udp' : 'control', other: undefined }
    return this.#open ? { usual: 'udp', other: 'control' } : { usual: 'control', other: undefined }
  }

  /** A probe of the peer came; see `ProbeTrack.hear`. Where it has given up UDP, so do we. */
  hear(now: Instant, at: Instant, via: Via, probe: Probe, learn: boolean): boolean {
    const proof = this[via].hear(now, at, probe, learn)
    if (!learn || !proof) return proof
    this.#withoutUdp = via === 'udp' ? 0 : this.#withoutUdp + 1
    if (this.#withoutUdp >= this.#config.udpGivenUpProbes) this.#answers.udp = false
    return proof
  }

  /** A good reply came over `via`, or another proof that it works both ways. */
  answered(via: Via): void {
    if (this.#answers[via]) return
    // What was lost while this way was silent is no measure of the way that comes back.
    this[via].restart()
    this.#answers[via] = via === 'control' || this.#open
  }

  /** A probe over `via` is past its timeout. */
  owes(now: Instant, via: Via): boolean {
    const { since } = this[via].silence
    return since !== undefined && now > after(since, this.timeoutMs(via))
  }

  /** When the last reply came over either way. */
  get repliedAt(): Instant | undefined {
    const { udp, control } = this
    if (udp.repliedAt === undefined || control.repliedAt === undefined) return udp.repliedAt ?? control.repliedAt
    return udp.repliedAt > control.repliedAt ? udp.repliedAt : control.repliedAt
  }

  /** Nothing is known to answer any more. */
  reset(): void {
    this.#answers.udp = false
    this.#answers.control = false
  }

  /** Judges the link by what comes from now on. */
  restart(): void {
    this.udp.restart()
    this.control.restart()
  }

  get evidence(): Evidence {
    const { udp, control } = this.#answers
    return udp ? (control ? 'both' : 'udp') : control ? 'control' : 'none'
  }

  /** For people: what answers, and what does not although it should, or has not had the time to. */
  words(now: Instant): string {
    switch (this.evidence) {
      case 'both':
        return 'answers over udp and control'
      case 'udp':
        return `answers over udp${this.#missing(now, 'control')}`
      case 'control':
        return `answers over control${this.#open ? this.#missing(now, 'udp') : ''}`
      case 'none':
        return 'answers over nothing'
    }
  }

  #missing(now: Instant, via: Via): string {
    if (this[via].silence.probes === 0) return ''
    return this.owes(now, via) ? `, ${via} is silent` : `, ${via}${NOT_YET}`
  }

  /** The way whose figures stand for the link: UDP where it answers. */
  get measured(): ProbeTrack | undefined {
    for (const track of [this.#answers.udp ? this.udp : this.control, this.control, this.udp]) {
      if (track.roundTrip.smoothedMs !== null) return track
    }
    return undefined
  }

  /** Loss of the last minute, of the direction that loses more; 0 if unmeasured. */
  lossRatio(now: Instant): number {
    const loss = this.measured?.loss.longRatio(now)
    return Math.max(loss?.forward ?? 0, loss?.backward ?? 0)
  }

  /** Of sending over the link, one way; `null` if unmeasured; see `costOf`. */
  costMs(now: Instant, way: 'forward' | 'backward'): number | null {
    const track = this.measured
    return track ? costOf(track, now, this.#config, way) : null
  }

  /** The way that has just fallen silent while the other answers, if any. */
  silence(now: Instant, stretchMs: (ms: number) => number): Via | undefined {
    if (!this.#answers.udp || !this.#answers.control) return undefined
    const { udpSilentProbes, controlSilentProbes, controlSilentMs } = this.#config
    const silent = (track: ProbeTrack, other: ProbeTrack, probes: number, ms: number): boolean => {
      const { since } = track.silence
      if (since === undefined || track.silence.probes < probes) return false
      if (other.repliedAt === undefined || other.repliedAt <= since) return false
      return now >= after(since, stretchMs(Math.max(ms, this.#config.controlTimeoutMsMin, track.timeoutMs())))
    }
    const via = silent(this.udp, this.control, udpSilentProbes, 0)
      ? 'udp'
      : silent(this.control, this.udp, controlSilentProbes, controlSilentMs)
        ? 'control'
        : undefined
    if (via) this.#answers[via] = false
    return via
  }

  /** How long a probe over `via` may take, ms. */
  timeoutMs(via: Via): number {
    return via === 'udp' ? this.udp.timeoutMs() : Math.max(this.#config.controlTimeoutMsMin, this.control.timeoutMs())
  }

  /** How long to wait for an answer before the verdict, ms: TCP may be repairing a loss. */
  get verdictMs(): number {
    return this.trusted.usual === 'udp' ? this.udp.timeoutMs() : Math.max(this.#config.controlVerdictMs, this.control.timeoutMs())
  }
}
