/**
 * A path to one destination as its source knows it: round trip, whether it answers, and how much it may carry.
 * Shared by all channels to that destination, so that what one channel learns serves the others.
 *
 *  1. `inFlightBytes` is the sum of the bytes of all copies that are out on this path and neither acknowledged,
 *     given up, nor overtaken.
 *  2. A path is suspect from the first probe timeout until anything sent over it is acknowledged, or until nobody has
 *     tried it for a while: then nothing is known, and its links speak for it.
 */
import { type Instant, type NodeId, after } from '@causeway/protocol'
import { DeliveryRate, type Departure } from './delivery-rate.ts'
import { UNMEASURED_COST_MS } from './link-state.ts'
import { PathLoss } from './path-loss.ts'

/** Patience = smoothed round trip + max(4 · variance, this) + the peer's ack delay. */
const PTO_VARIANCE_FLOOR_MS = 10
const PTO_CEILING_MS = 10_000
const ACK_DELAY_MS = 5
/** Round trip assumed where neither plan nor packets have told one. */
const UNKNOWN_RTT_MS = 200

const WINDOW_FLOOR_BYTES = 128 * 1024
const WINDOW_START_BYTES = 256 * 1024
const WINDOW_CEILING_BYTES = 8 * 1024 * 1024
/** A segment holds up what shares the line with it by no more than that, at every hop … */
const SEGMENT_MS = 2
/** … but is not smaller than that, once the rate is known. */
const SEGMENT_BYTES = { floor: 8 * 1024, start: 16 * 1024 } as const
/** Queueing delay above the minimum: below the first we grow, above the second we shrink. */
const GROW_BELOW_MS = 20
const SHRINK_ABOVE_MS = 100

const TRIAL_CEILING_MS = 2_000
/** So many trials come that soon; then its links, or a new plan, tell sooner than trials that it works again. */
const TRIALS_SOON = 8
/** A trial that is overdue by so much is nobody's: no channel leads that way any more. */
const UNTRIED_MS = 10_000

export class Path {
  /** Nodes after the source; the last is the destination. */
  readonly route: readonly NodeId[]
  /** The first link of the path is up. */
  up = false
  inFlightBytes = 0
  /** How often something was acknowledged over it, or it became new: what was doubted before may be void. */
  renewals = 0
  /** Of them each channel's, by whatever stands for it. */
  readonly #shares = new Map<object, number>()

  #costMs: number | null = null
  /** The last that was known: a path that leaves the plan has not become slower by that. */
  #knownCostMs: number | undefined
  #smoothedMs: number | undefined
  #varianceMs = 0
  readonly #rate = new DeliveryRate()
  #windowBytes = WINDOW_START_BYTES
  /** Before it became suspect. */
  #windowBytesBefore = 0
  #shrunkAt: Instant | undefined
  #timeouts = 0
  #suspectSince: Instant | undefined
  #nextTrial: Instant | undefined
  /** Since it became suspect. */
  #trials = 0
  #loss = new PathLoss()

  constructor(route: readonly NodeId[], costMs: number | null) {
    this.route = route
    this.costMs = costMs
  }

  /** What the plan says it costs, one way, milliseconds; `null` if it is not known. */
  get costMs(): number | null {
    return this.#costMs
  }

  set costMs(costMs: number | null) {
    this.#costMs = costMs
    // A cost with an unmeasured link in it is a deterrent, no delay: taken for one it would be waited for 6 s.
    if (costMs !== null && costMs < UNMEASURED_COST_MS) this.#knownCostMs = costMs
  }

  get firstHop(): NodeId {
    return this.route[0] as NodeId
  }

  get suspect(): boolean {
    return this.#suspectSince !== undefined
  }

  /** It answers, but has begun to lose. */
  get losing(): boolean {
    return this.#loss.losing
  }

  /** A packet has arrived; or was lost, since one that was sent clearly later over this path was acknowledged. */
  fate(lost: boolean): void {
    this.#loss.observe(lost)
  }

  /** It is left for its loss: from now on it is judged anew. */
  forgiveLoss(): void {
    this.#loss = new PathLoss()
  }

  get suspectSince(): Instant | undefined {
    return this.#suspectSince
  }

  /** Smoothed round trip, `null` before the first acknowledgement. */
  get rttMs(): number | null {
    return this.#smoothedMs ?? null
  }

  /** Of late; what the plan says if it was not used, and 0 if nobody knows. */
  leastRttMs(now: Instant): number {
    return this.#rate.leastRttMs(now) ?? 2 * (this.costMs ?? 0)
  }

  /** How long an acknowledgement may take before the packet is doubted: the probe timeout (after RFC 9002, 6.2.1). */
  get patienceMs(): number {
    const guess = this.#knownCostMs === undefined ? UNKNOWN_RTT_MS : 2 * this.#knownCostMs + PTO_VARIANCE_FLOOR_MS
    const smoothed = this.#smoothedMs ?? guess
    const variance = this.#smoothedMs === undefined ? guess / 2 : this.#varianceMs
    return smoothed + Math.max(4 * variance, PTO_VARIANCE_FLOOR_MS) + ACK_DELAY_MS
  }

  /** Patience after so many timeouts in a row. */
  backoffMs(timeouts: number): number {
    return Math.min(this.patienceMs * 2 ** Math.min(timeouts, 10), PTO_CEILING_MS)
  }

  /** Grown while there is no queue and nothing is marked, but never beyond what the path delivers in a short while. */
  windowBytes(now: Instant): number {
    return Math.min(this.#windowBytes, Math.max(this.#rate.measured ? WINDOW_FLOOR_BYTES : WINDOW_START_BYTES, this.#rate.windowBytes(now)))
  }

  /** How much at most a segment should carry. */
  get segmentBytes(): number {
    return this.#rate.measured ? Math.max(SEGMENT_BYTES.floor, this.#rate.bytesIn(SEGMENT_MS)) : SEGMENT_BYTES.start
  }

  /**
   * Whether that channel may send no more for now. Who has less than an even share of the window may go on although the
   * others fill it: they get no more until they are back within theirs.
   */
  fullFor(channel: object, now: Instant): boolean {
    const window = this.windowBytes(now)
    if (this.inFlightBytes < window) return false
    const own = this.#shares.get(channel) ?? 0
    return own >= window / (this.#shares.size + (own > 0 ? 0 : 1))
  }

  /** `bytes` of that channel leave over this path. */
  departed(now: Instant, channel: object, bytes: number): Departure {
    const departure = this.#rate.depart(now, this.inFlightBytes === 0)
    if (bytes > 0) this.#shares.set(channel, (this.#shares.get(channel) ?? 0) + bytes)
    this.inFlightBytes += bytes
    return departure
  }

  /** They are not out any more: arrived, given up, or overtaken. */
  returned(channel: object, bytes: number): void {
    this.inFlightBytes -= bytes
    const left = (this.#shares.get(channel) ?? 0) - bytes
    if (left > 0) this.#shares.set(channel, left)
    else this.#shares.delete(channel)
  }

  /**
   * Something sent over this path was acknowledged after `rttMs`, the peer's own delay taken off (RFC 6298, 2), and with
   * it `bytes`. Marked: something waited too long at a relay.
   */
  acknowledged(now: Instant, rttMs: number, bytes: number, marked: boolean, departure: Departure): void {
    this.renew()
    this.#rate.arrived(now, bytes, rttMs, departure)
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = rttMs
      this.#varianceMs = rttMs / 2
    } else {
      this.#varianceMs += (Math.abs(this.#smoothedMs - rttMs) - this.#varianceMs) / 4
      this.#smoothedMs += (rttMs - this.#smoothedMs) / 8
    }
    const queueMs = rttMs - (this.#rate.leastRttMs(now) ?? rttMs)
    if (marked) this.#shrink(now)
    else if (queueMs < GROW_BELOW_MS) this.#windowBytes = Math.min(this.#windowBytes + bytes, WINDOW_CEILING_BYTES)
    else if (queueMs > SHRINK_ABOVE_MS) this.#shrink(now)
  }

  /** A packet was not acknowledged within the probe timeout. */
  timedOut(now: Instant): void {
    this.#timeouts++
    if (!this.suspect) this.#windowBytesBefore = this.#windowBytes
    this.#suspectSince ??= now
    this.#nextTrial ??= after(now, Math.min(this.patienceMs, TRIAL_CEILING_MS))
    this.#shrink(now)
  }

  /** What was overdue was late, not lost: it says nothing about the window (RFC 4015). */
  wasLate(): void {
    this.#windowBytes = Math.max(this.#windowBytes, this.#windowBytesBefore)
  }

  /** Nobody has planned it: a last resort, which may lead nowhere. */
  get isGuess(): boolean {
    return this.costMs === null && this.route.length > 1
  }

  /** A guess that nothing has come back over: it is no sign that its end exists. */
  get isUnproven(): boolean {
    return this.isGuess && this.rttMs === null
  }

  /** When a trial of this path is next due; `undefined` while it is not suspect or not worth one. A guess is forgiven untried. */
  get nextTrial(): Instant | undefined {
    return this.up && !this.isGuess ? this.#nextTrial : undefined
  }

  /** True once per (doubling) interval while suspect: time to try whether the path works again. */
  trialDue(now: Instant): boolean {
    const { nextTrial } = this
    if (nextTrial === undefined || now < nextTrial) return false
    const ceilingMs = this.#trials++ < TRIALS_SOON ? TRIAL_CEILING_MS : PTO_CEILING_MS
    this.#nextTrial = after(now, Math.min(this.backoffMs(this.#timeouts + this.#trials), ceilingMs))
    return true
  }

  /** Suspect, and no channel is left that would try it. */
  forgotten(now: Instant): boolean {
    return this.#nextTrial !== undefined && now - this.#nextTrial >= UNTRIED_MS
  }

  /** It answers, or the link at its start is a new one: what was suspected is void. */
  renew(): void {
    this.#timeouts = 0
    this.renewals++
    this.#suspectSince = undefined
    this.#nextTrial = undefined
    this.#trials = 0
  }

  /** At most once per round trip: one stall is one signal, however many packets were in it. */
  #shrink(now: Instant): void {
    if (this.#shrunkAt !== undefined && now - this.#shrunkAt < (this.#smoothedMs ?? UNKNOWN_RTT_MS)) return
    this.#shrunkAt = now
    this.#windowBytes = Math.max(WINDOW_FLOOR_BYTES, this.#windowBytes * 0.7)
  }
}
