/**
 * Judges one link: probes it, measures it, and says whether it is up. The intuition: probe lazily while all is
 * well; at the first sign of silence ask urgently and over every way; believe in death only if nobody else, and
 * least of all we ourselves, can be to blame.
 */
import {
  type Evidence,
  type Instant,
  type LinkState,
  type Machine,
  type ProbeReply,
  type Random,
  after,
  earliest,
  jittered,
} from '@causeway/protocol'
import { Burst } from './burst.ts'
import { FlapHold } from './flap-hold.ts'
import { UNMEASURED, costOf, faultOf, measuresOf } from './link-measures.ts'
import { MONITOR_DEFAULTS, type MonitorConfig } from './monitor-config.ts'
import type { MonitorEffect, MonitorInput, MonitorView, Via } from './monitor-contract.ts'
import { OwnLag } from './own-lag.ts'
import { Persistence } from './persistence.ts'
import type { TrackCounts } from './probe-track.ts'
import { Recovery } from './recovery.ts'
import { Suspicion } from './suspicion.ts'
import { Ways } from './ways.ts'

/** What an earlier connection of the same link has left. */
export interface LinkPast {
  /** Shared by all connections of a link, so that falls add up. */
  readonly hold?: FlapHold
  /** Begin as `down`: come up only after recovery replies and the hold. */
  readonly held?: boolean
}

/**
 *  1. A link that was up goes down only after a whole burst has failed over every way there is, and never on a
 *     verdict that came late by our own fault (it is asked again, at most `burstRepeatsMax` times).
 *  2. A link that was down comes up only after `recoveryReplies` good replies and its hold.
 *  3. Every change of state or evidence is exactly one `state` effect, with a reason.
 *  4. `nextWake` is the earliest instant at which anything happens without input; between two wakes nothing does.
 *  5. Memory is fixed, whatever the peer sends.
 */
export class LinkMonitor implements Machine<MonitorInput, MonitorEffect> {
  readonly #config: MonitorConfig
  readonly #random: Random
  readonly #lag: OwnLag
  readonly #hold: FlapHold
  readonly #quality: Persistence
  readonly #suspicion = new Suspicion()
  readonly #recovery: Recovery
  readonly #ways: Ways
  #now: Instant
  #state: LinkState = 'probing'
  #reason = 'not answered yet'
  #since: Instant
  /** Since when the link is usable (up or degraded). */
  #usableSince: Instant
  #evidence: Evidence = 'none'
  /** UDP has just opened: the next probe tries it. */
  #tryUdp = false
  #inUseUntil: Instant | undefined
  #burst: Burst | undefined
  #probesSent = 0
  #lastProbeAt: Instant
  #nextProbeAt: Instant
  /** Good replies of a link that is new. */
  #firstReplies = 0

  /** With a `past`, the link is held back as one that fell before; see `LinkPast`. */
  constructor(now: Instant, random: Random, config: Partial<MonitorConfig> = {}, past: LinkPast = {}) {
    this.#config = { ...MONITOR_DEFAULTS, ...config }
    this.#random = random
    this.#lag = new OwnLag(this.#config)
    this.#hold = past.hold ?? new FlapHold(this.#config)
    if (past.held) {
      this.#state = 'down'
      this.#reason = 'is held back, since it fell before'
    }
    this.#quality = new Persistence(this.#config.degradedAfterMs, this.#config.cleanMs)
    this.#recovery = new Recovery(this.#config)
    this.#ways = new Ways(this.#config)
    this.#now = now
    this.#since = now
    this.#usableSince = now
    this.#lastProbeAt = now
    this.#nextProbeAt = now
  }

  get state(): LinkState {
    return this.#state
  }

  get reason(): string {
    return this.#reason
  }

  /** When the link took its present state. */
  get since(): Instant {
    return this.#since
  }

  get evidence(): Evidence {
    return this.#evidence
  }

  /** Milliseconds per direction, `null` if unmeasured; see `costOf`. */
  get costMs(): number | null {
    const track = this.#ways.measured
    return track ? costOf(track, this.#now, this.#config) : null
  }

  /** How long the link is held back before it comes up after a fall, ms. */
  get holdMs(): number {
    return this.#hold.holdMs
  }

  counts(via: Via): TrackCounts {
    return this.#ways[via].counts
  }

  view(now: Instant): MonitorView {
    const track = this.#ways.measured
    return track ? measuresOf(track, now) : UNMEASURED
  }

  handle(now: Instant, input: MonitorInput): MonitorEffect[] {
    const effects: MonitorEffect[] = []
    const due = this.nextWake()
    const late = due !== undefined && now - due > this.#config.lagMs
    if (late) this.#lag.report(now, now - due)
    this.#now = now
    this.#take(input, effects)
    this.#judgeWays(effects)
    this.#judgeState(effects, late)
    this.#probeIfDue(effects)
    return effects
  }

  nextWake(): Instant | undefined {
    const probe = this.#burst ? this.#burst.nextAt : this.#nextProbeAt
    return earliest(probe, this.#stateDeadline)
  }

  #take(input: MonitorInput, effects: MonitorEffect[]): void {
    switch (input.type) {
      case 'wake':
        return
      case 'reply':
        return this.#takeReply(input.via, input.reply, effects)
      case 'heard':
        this.#suspicion.heard(this.#now)
        if (this.#burst?.oneWay === false) this.#endBurst()
        return
      case 'carried':
        if (!this.#inUse) this.#hurry(this.#config.probeInUseMs)
        this.#inUseUntil = after(this.#now, this.#config.inUseMs)
        return
      case 'lag':
        return this.#lag.report(this.#now, input.lagMs)
      case 'datagrams':
        return this.#takeDatagrams(input.open)
    }
  }

  #takeReply(via: Via, reply: ProbeReply, effects: MonitorEffect[]): void {
    if (!this.#ways[via].answer(this.#now, reply, !this.#lag.doubts(reply.sent))) return
    this.#suspicion.answered(reply.sent)
    this.#suspicion.heard(this.#now)
    if (this.#burst) this.#endBurst()
    if (this.#state === 'down' && this.#recovery.reply(this.#now)) this.#ways.reset()
    this.#ways.answered(via)
    if (this.#state === 'probing' && ++this.#firstReplies >= this.#config.firstReplies) this.#become('up', this.#ways.words, effects)
  }

  #takeDatagrams(open: boolean): void {
    if (open === this.#ways.open) return
    this.#ways.setOpen(open)
    this.#tryUdp = open
    if (open) this.#hurry(0)
    else this.#suspicion.forget('udp')
  }

  #judgeWays(effects: MonitorEffect[]): void {
    const silent = this.#ways.silence(this.#now, (ms) => this.#lag.stretchMs(this.#now, ms))
    if (silent) this.#suspicion.forget(silent)
    const evidence = this.#ways.evidence
    if (evidence === this.#evidence) return
    this.#evidence = evidence
    // A change of state in the same turn has told it already.
    if (this.#usable && effects.length === 0) this.#report(this.#state, this.#ways.words, effects)
  }

  #judgeState(effects: MonitorEffect[], late: boolean): void {
    const deadline = this.#stateDeadline
    const due = deadline !== undefined && this.#now >= deadline
    switch (this.#state) {
      case 'probing':
        if (due) this.#become('down', `was not answered for ${Math.round((this.#now - this.#since) / 1000)} s`, effects)
        return
      case 'down':
        if (this.#recovery.complete(this.#now, this.#hold.holdMs)) this.#become('up', this.#ways.words, effects)
        return
      case 'up':
      case 'degraded':
        this.#judgeQuality(effects)
        return this.#judgeLife(effects, late)
    }
  }

  #judgeQuality(effects: MonitorEffect[]): void {
    const track = this.#ways.measured
    if (!track || this.#burst) return
    const fault = faultOf(track, this.#now, this.#config)
    this.#quality.observe(this.#now, fault !== undefined)
    if (this.#quality.active && this.#state === 'up') this.#become('degraded', fault ?? 'is worse than it should be', effects)
    else if (!this.#quality.active && this.#state === 'degraded') this.#become('up', 'is clean again', effects)
  }

  #judgeLife(effects: MonitorEffect[], late: boolean): void {
    if (this.#burst) {
      const verdictAt = this.#burst.verdictAt(this.#verdictWaitMs)
      if (verdictAt === undefined || this.#now < verdictAt) return
      if (late && this.#burst.repeat(this.#now)) return
      const { oldest, heardAt } = this.#suspicion
      const oneWay = oldest !== undefined && heardAt !== undefined && heardAt > after(oldest.sent, this.#timeoutMs(oldest.via))
      const silentMs = Math.round(this.#now - (oneWay ? oldest.sent : (heardAt ?? this.#since)))
      this.#become(
        'down',
        oneWay
          ? `is heard but has answered nothing for ${silentMs} ms`
          : `silent for ${silentMs} ms, a burst of ${this.#config.burstProbes} probes included`,
        effects,
      )
      return
    }
    const dueAt = this.#suspectAt
    const oldest = this.#suspicion.oldest
    if (dueAt === undefined || this.#now < dueAt || !oldest) return
    const oneWay = this.#now >= after(oldest.sent, this.#config.unansweredMsMax)
    this.#burst = new Burst(this.#now, this.#config, oldest.via === 'udp' ? 'control' : 'udp', oneWay)
  }

  #become(state: LinkState, reason: string, effects: MonitorEffect[]): void {
    if (state === 'down') {
      if (this.#usable) this.#hold.fall(this.#now - this.#usableSince)
      this.#burst = undefined
      this.#suspicion.clear()
      this.#quality.reset()
      this.#ways.reset()
      this.#evidence = 'none'
      this.#recovery.reset()
      this.#schedule(this.#config.probeIdleMs)
    } else if (!this.#usable) {
      this.#usableSince = this.#now
      this.#suspicion.clear()
    }
    this.#report(state, reason, effects)
  }

  #report(state: LinkState, reason: string, effects: MonitorEffect[]): void {
    const previous = this.#state
    if (state !== previous) this.#since = this.#now
    this.#state = state
    this.#reason = reason
    effects.push({ type: 'state', state, previous, reason })
  }

  #probeIfDue(effects: MonitorEffect[]): void {
    if (this.#burst) {
      if (this.#burst.nextAt === undefined || this.#now < this.#burst.nextAt) return
      this.#send(this.#ways.trusted(this.#burst.take(this.#now)), effects)
      return
    }
    if (this.#now < this.#nextProbeAt) return
    this.#send(this.#nextVia(), effects)
    if (this.#state !== 'probing') this.#schedule(this.#inUse && this.#usable ? this.#config.probeInUseMs : this.#config.probeIdleMs)
    else if (this.#probesSent < this.#config.firstProbes) this.#nextProbeAt = after(this.#now, this.#config.firstSpacingMs)
    else this.#schedule(this.#config.probeInUseMs)
  }

  #nextVia(): Via {
    if (!this.#ways.open) return 'control'
    if (this.#tryUdp) return 'udp'
    if (this.#ways.evidence === 'none') return this.#probesSent % 2 === 0 ? 'udp' : 'control'
    const usual: Via = this.#ways.evidence === 'control' ? 'control' : 'udp'
    const other: Via = usual === 'udp' ? 'control' : 'udp'
    return this.#probesSent % this.#config.otherViaEvery === 0 ? other : usual
  }

  #send(via: Via, effects: MonitorEffect[]): void {
    if (via === 'udp') this.#tryUdp = false
    this.#probesSent++
    this.#lastProbeAt = this.#now
    // A silent way is no reason to suspect the link, unless there is no other.
    if (this.#usable && this.#ways.trusted(via) === via) this.#suspicion.sent(this.#now, via)
    effects.push({ type: 'probe', via, probe: this.#ways[via].send(this.#now) })
  }

  #endBurst(): void {
    this.#burst = undefined
    this.#schedule(this.#inUse ? this.#config.probeInUseMs : this.#config.probeIdleMs)
  }

  #schedule(ms: number): void {
    this.#nextProbeAt = after(this.#now, jittered(this.#random, ms, this.#config.probeSpreadRatio))
  }

  /** Moves the next probe forward to `ms` after the last one. */
  #hurry(ms: number): void {
    const at = after(this.#lastProbeAt, jittered(this.#random, ms, this.#config.probeSpreadRatio))
    if (at < this.#nextProbeAt) this.#nextProbeAt = at < this.#now ? this.#now : at
  }

  get #usable(): boolean {
    return this.#state === 'up' || this.#state === 'degraded'
  }

  get #inUse(): boolean {
    return this.#inUseUntil !== undefined && this.#now < this.#inUseUntil
  }

  #timeoutMs(via: Via): number {
    return this.#lag.stretchMs(this.#now, this.#ways[via].timeoutMs())
  }

  get #verdictWaitMs(): number {
    return this.#lag.stretchMs(this.#now, Math.max(this.#config.verdictMsMin, this.#ways.timeoutMs))
  }

  get #suspectAt(): Instant | undefined {
    return this.#suspicion.dueAt((via) => this.#timeoutMs(via), this.#lag.stretchMs(this.#now, this.#config.unansweredMsMax))
  }

  /** The next instant at which the state may change, or come into doubt, for want of input. */
  get #stateDeadline(): Instant | undefined {
    switch (this.#state) {
      case 'probing':
        return after(this.#since, this.#lag.stretchMs(this.#now, this.#config.probingMsMax))
      case 'down':
        return this.#recovery.upAt(this.#hold.holdMs)
      case 'up':
      case 'degraded':
        if (this.#burst) return this.#burst.verdictAt(this.#verdictWaitMs)
        return earliest(this.#suspectAt, this.#quality.changesAt)
    }
  }
}
