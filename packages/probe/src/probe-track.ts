/**
 * Probes of one link over one way (UDP or control) and what their replies teach. Each way has its own numbers, so
 * that the loss of each direction can be told, and its own estimators, since TCP hides loss as delay.
 *
 *  1. A reply counts once, and only if it repeats number and stamp of a probe that is remembered; anything else is
 *     counted as duplicate or stray, and teaches nothing.
 *  2. At most `outstandingMax` probes are remembered, each for at most `replyMsMax`.
 */
import { type Instant, type Probe, type ProbeReply, after } from '@causeway/protocol'
import { DirectionalLoss } from './directional-loss.ts'
import { Jitter } from './jitter.ts'
import type { MonitorConfig } from './monitor-config.ts'
import { RecentDelays } from './recent-delays.ts'
import { RotatingHistogram } from './rotating-histogram.ts'
import { RoundTrip } from './round-trip.ts'
import { WindowedMinimum } from './windowed-minimum.ts'

export interface TrackCounts {
  readonly sent: number
  readonly received: number
  readonly duplicated: number
  /** Replies that came after the reply to a later probe. */
  readonly reordered: number
  /** Replies that answer nothing we remember. */
  readonly stray: number
}

interface Remembered {
  readonly sent: Instant
  answered: boolean
}

export class ProbeTrack {
  readonly roundTrip: RoundTrip = new RoundTrip()
  readonly minimum: WindowedMinimum = new WindowedMinimum()
  readonly histogram: RotatingHistogram = new RotatingHistogram()
  readonly delays: RecentDelays = new RecentDelays()
  readonly loss: DirectionalLoss = new DirectionalLoss()

  readonly #config: MonitorConfig
  /** Round trip with the reflector's own time: what a timeout has to allow for. */
  readonly #turnaround = new RoundTrip()
  readonly #forwardJitter = new Jitter()
  readonly #backwardJitter = new Jitter()
  readonly #remembered = new Map<number, Remembered>()
  #nextSequence = 0
  #highestAnswered = -1
  #received = 0
  #duplicated = 0
  #reordered = 0
  #stray = 0
  #unanswered = 0
  #unansweredSince: Instant | undefined
  #repliedAt: Instant | undefined

  constructor(config: MonitorConfig) {
    this.#config = config
  }

  send(now: Instant): Probe {
    this.#forget(now)
    const sequence = this.#nextSequence++ >>> 0
    this.#remembered.set(sequence, { sent: now, answered: false })
    this.#unanswered++
    this.#unansweredSince ??= now
    return { type: 'probe', sequence, sent: now }
  }

  /** True if the reply counts (invariant 1). Its round trip is not learnt if `timed` says we stood still meanwhile. */
  answer(now: Instant, reply: ProbeReply, timed: boolean): boolean {
    const probe = this.#remembered.get(reply.sequence)
    if (!probe || probe.sent !== reply.sent || now > after(probe.sent, this.#config.replyMsMax)) {
      this.#stray++
      return false
    }
    if (probe.answered) {
      this.#duplicated++
      return false
    }
    probe.answered = true
    this.#received++
    this.#unanswered = 0
    this.#unansweredSince = undefined
    this.#repliedAt = now
    if (reply.sequence < this.#highestAnswered) this.#reordered++
    this.#highestAnswered = Math.max(this.#highestAnswered, reply.sequence)
    this.loss.add(now, reply.sequence, reply.reflectorSequence)
    if (timed) this.#learn(now, reply)
    return true
  }

  /** Probes since the last reply, and since when there has been one. */
  get silence(): { readonly probes: number; readonly since: Instant | undefined } {
    return { probes: this.#unanswered, since: this.#unansweredSince }
  }

  /** When the last good reply came. */
  get repliedAt(): Instant | undefined {
    return this.#repliedAt
  }

  timeoutMs(): number {
    return this.#turnaround.timeoutMs(this.#config)
  }

  /** The worse direction; `null` before the second reply. */
  get jitterMs(): number | null {
    const forward = this.#forwardJitter.jitterMs
    const backward = this.#backwardJitter.jitterMs
    return forward === null || backward === null ? null : Math.max(forward, backward)
  }

  get counts(): TrackCounts {
    return {
      sent: this.#nextSequence,
      received: this.#received,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      stray: this.#stray,
    }
  }

  #learn(now: Instant, reply: ProbeReply): void {
    const turnaroundMs = now - reply.sent
    const residenceMs = reply.transmitted - reply.received
    // A residence outside the turnaround is a clock gone wrong; then none is believed.
    const rttMs = residenceMs >= 0 && residenceMs <= turnaroundMs ? turnaroundMs - residenceMs : turnaroundMs
    this.#turnaround.add(turnaroundMs)
    this.roundTrip.add(rttMs)
    this.minimum.add(now, rttMs)
    this.histogram.add(now, rttMs)
    this.delays.add(rttMs)
    this.#forwardJitter.add(reply.sent, reply.received)
    this.#backwardJitter.add(reply.transmitted, now)
  }

  #forget(now: Instant): void {
    for (const [sequence, probe] of this.#remembered) {
      const fresh = now <= after(probe.sent, this.#config.replyMsMax)
      if (fresh && this.#remembered.size < this.#config.outstandingMax) return
      this.#remembered.delete(sequence)
    }
  }
}
