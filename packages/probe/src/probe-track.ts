/**
 * Probes of one link over one way (UDP or control), ours and the peer's, and what they teach. Each way has its own
 * numbers, so that the loss of each direction can be told, and its own estimators, since TCP hides loss as delay.
 *
 *  1. A reply counts once, and only if it repeats the number of a probe that is remembered and a stamp from its
 *     flight; anything else is counted as duplicate or stray, and teaches nothing.
 *  2. At most `outstandingMax` probes are remembered, each for at most `replyMsMax`.
 *  3. The end that probes measures; the other is told by the peer's probes. Nothing is learnt twice.
 */
import { type Instant, type Probe, type ProbeReply, type WayMetrics, after, betweenStampsMs, stampOf } from '@causeway/protocol'
import { DelayBuckets } from './delay-buckets.ts'
import { DirectionalLoss } from './directional-loss.ts'
import { LossAlarm } from './loss-alarm.ts'
import type { MonitorConfig } from './monitor-config.ts'
import { RecentDelays } from './recent-delays.ts'
import { RotatingHistogram } from './rotating-histogram.ts'
import { RoundTrip } from './round-trip.ts'
import { SEQUENCE_MASK, sequenceDistance } from './sequence.ts'
import { Transit } from './transit.ts'
import { WindowedMinimum } from './windowed-minimum.ts'

/** A probe that comes so much later than twice its promise proves nothing of the time between. */
const PROOF_MARGIN_MS = 200
/** Stamps are rounded, and a stamp of departure is made in advance. */
const STAMP_MS = 1

interface Remembered {
  readonly sent: Instant
  answered: boolean
}

export class ProbeTrack {
  readonly roundTrip: RoundTrip = new RoundTrip()
  readonly minimum: WindowedMinimum = new WindowedMinimum()
  readonly histogram: RotatingHistogram = new RotatingHistogram()
  readonly buckets: DelayBuckets = new DelayBuckets()
  readonly delays: RecentDelays = new RecentDelays()
  readonly loss: DirectionalLoss = new DirectionalLoss()
  readonly alarm: LossAlarm = new LossAlarm()
  readonly forward: Transit = new Transit()
  readonly backward: Transit = new Transit()

  readonly #config: MonitorConfig
  /** From the machine's call to its answer: what a timeout has to allow for. */
  readonly #turnaround = new RoundTrip()
  readonly #remembered = new Map<number, Remembered>()
  #sent = 0
  #received = 0
  #duplicated = 0
  #reordered = 0
  #stray = 0
  #unanswered = 0
  #unansweredSince: Instant | undefined
  #repliedAt: Instant | undefined
  /** Of the highest reply: our number and the reflector's. */
  #answered: { sequence: number; reflectorSequence: number } | undefined
  /** Of the peer's latest probe: its number and how many of our replies it had; and how many it has been sent since. */
  #heard: { proofUntil: Instant; sequence: number; replies: number; repliedTo: number } | undefined
  #toldQueueMs: number | null = null

  constructor(config: MonitorConfig) {
    this.#config = config
  }

  /** The next probe; `nextMs` is what it promises. Who sends it adds how it finds the link. */
  send(now: Instant, nextMs: number): Omit<Probe, 'urgent' | 'degraded' | 'alone'> {
    this.#forget(now)
    const sequence = this.#sent++ & SEQUENCE_MASK
    this.#remembered.set(sequence, { sent: now, answered: false })
    this.#unanswered++
    this.#unansweredSince ??= now
    return {
      type: 'probe',
      sequence,
      sent: stampOf(now),
      rttMs: this.roundTrip.lastMs,
      queueMs: this.backward.queueMs(now),
      replies: this.#received & SEQUENCE_MASK,
      nextMs,
    }
  }

  /**
   * A reply came at `at`. Returns when its probe was sent if it counts (invariant 1). Its round trip is not learnt unless
   * `timed` holds of its probe: we may have stood still meanwhile.
   */
  answer(now: Instant, at: Instant, reply: ProbeReply, timed: (sent: Instant) => boolean): Instant | undefined {
    const probe = this.#remembered.get(reply.sequence)
    if (!probe || now > after(probe.sent, this.#config.replyMsMax) || !flewWithin(probe.sent, reply.sent, at)) {
      this.#stray++
      return undefined
    }
    if (probe.answered) {
      this.#duplicated++
      return undefined
    }
    probe.answered = true
    this.#received++
    this.#answeredAll()
    this.#repliedAt = now
    this.#count(now, reply)
    if (timed(probe.sent)) this.#learn(now, at, probe.sent, reply)
    return probe.sent
  }

  /**
   * A probe of the peer came at `at`, and has been answered. True if it proves that both directions work: replies have
   * reached the peer since its last probe over this way, and that was not much longer ago than it promised. If `learn`,
   * what the peer has measured is adopted.
   */
  hear(now: Instant, at: Instant, probe: Probe, learn: boolean): boolean {
    const before = this.#heard ?? { proofUntil: now, sequence: probe.sequence - 1, replies: probe.replies, repliedTo: 0 }
    const advance = sequenceDistance(before.sequence, probe.sequence)
    if (advance <= 0) {
      before.repliedTo++
      if (learn) this.loss.add(now, { forwardSent: 0, forwardArrived: 0, backwardSent: 0, backwardArrived: 1 })
      return false
    }
    const replies = Math.max(0, sequenceDistance(before.replies, probe.replies))
    const proofUntil = after(now, 2 * probe.nextMs + PROOF_MARGIN_MS)
    this.#heard = { proofUntil, sequence: probe.sequence, replies: probe.replies, repliedTo: 1 }
    const proof = replies > 0 && now <= before.proofUntil
    // What we asked before is answered by that, be the reply lost or not.
    if (proof) this.#answeredAll()
    if (!learn) return proof
    this.backward.add(now, probe.sent, stampOf(at))
    this.#toldQueueMs = probe.queueMs
    this.loss.add(now, { forwardSent: before.repliedTo, forwardArrived: replies, backwardSent: advance, backwardArrived: 1 })
    if (replies > 0 && probe.rttMs !== null) {
      this.#addRoundTrip(now, probe.rttMs)
      this.#turnaround.add(probe.rttMs)
    }
    return proof
  }

  /** Forgets what is judged by recent losses and delays. */
  restart(): void {
    this.loss.restart()
    this.delays.restart()
    this.alarm.reset()
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

  /** What our packets usually wait on their way to the peer, ms; `null` if nobody has measured it. */
  forwardQueueMs(now: Instant): number | null {
    return this.forward.queueMs(now) ?? this.#toldQueueMs
  }

  /** The worse direction, of those that are measured; `null` before the second packet. */
  get jitterMs(): number | null {
    const { jitterMs: forward } = this.forward
    const { jitterMs: backward } = this.backward
    return forward === null || backward === null ? (forward ?? backward) : Math.max(forward, backward)
  }

  get counts(): WayMetrics {
    return {
      sent: this.#sent,
      received: this.#received,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      stray: this.#stray,
      rtt: this.buckets.snapshot(),
    }
  }

  #answeredAll(): void {
    this.#unanswered = 0
    this.#unansweredSince = undefined
  }

  /** The highest numbers grow apart from each other: so packets that overtake one another are not counted as lost. */
  #count(now: Instant, reply: ProbeReply): void {
    const before = this.#answered ?? { sequence: reply.sequence - 1, reflectorSequence: reply.reflectorSequence - 1 }
    const ours = sequenceDistance(before.sequence, reply.sequence)
    const theirs = sequenceDistance(before.reflectorSequence, reply.reflectorSequence)
    this.#answered = {
      sequence: ours > 0 ? reply.sequence : before.sequence,
      reflectorSequence: theirs > 0 ? reply.reflectorSequence : before.reflectorSequence,
    }
    if (ours <= 0) this.#reordered++
    for (let lost = 1; lost < Math.min(ours, this.#config.outstandingMax); lost++) this.alarm.observe(true)
    this.alarm.observe(false)
    const arrived = Math.max(0, theirs)
    this.loss.add(now, { forwardSent: Math.max(0, ours), forwardArrived: arrived, backwardSent: arrived, backwardArrived: 1 })
  }

  #learn(now: Instant, at: Instant, sent: Instant, reply: ProbeReply): void {
    const flightMs = betweenStampsMs(reply.sent, stampOf(at))
    // A residence longer than the flight is a clock gone wrong; then it is not believed.
    this.#addRoundTrip(now, Math.max(0, reply.residenceMs <= flightMs ? flightMs - reply.residenceMs : flightMs))
    this.#turnaround.add(now - sent)
    this.forward.add(now, reply.sent, reply.received)
    this.backward.add(now, reply.received + Math.round(1000 * reply.residenceMs), stampOf(at))
  }

  #addRoundTrip(now: Instant, rttMs: number): void {
    this.roundTrip.add(rttMs)
    this.minimum.add(now, rttMs)
    this.histogram.add(now, rttMs)
    this.buckets.add(rttMs)
    this.delays.add(rttMs)
  }

  #forget(now: Instant): void {
    for (const [sequence, probe] of this.#remembered) {
      const fresh = now <= after(probe.sent, this.#config.replyMsMax)
      if (fresh && this.#remembered.size < this.#config.outstandingMax) return
      this.#remembered.delete(sequence)
    }
  }
}

/** Whether `stamp` lies between the instants of sending and arrival. */
function flewWithin(sent: Instant, stamp: number, at: Instant): boolean {
  return betweenStampsMs(stampOf(sent), stamp) >= -STAMP_MS && betweenStampsMs(stamp, stampOf(at)) >= -STAMP_MS
}
