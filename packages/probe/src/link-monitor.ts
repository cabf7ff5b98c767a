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
  type Probe,
  type ProbeReply,
  type Random,
  type WayMetrics,
  after,
  earliest,
} from '@causeway/protocol'
import { Burst } from './burst.ts'
import { Cadence } from './cadence.ts'
import { FlapHold } from './flap-hold.ts'
import { IdleBeat } from './idle-beat.ts'
import { UNMEASURED, measuresOf } from './link-measures.ts'
import { MONITOR_DEFAULTS, type MonitorConfig } from './monitor-config.ts'
import type { MonitorEffect, MonitorInput, MonitorOptions, MonitorView, Via } from './monitor-contract.ts'
import { OwnLag } from './own-lag.ts'
import { Quality } from './quality.ts'
import { Recovery } from './recovery.ts'
import { Suspicion } from './suspicion.ts'
import { NOT_YET, Ways } from './ways.ts'

/**
 *  1. A link that was up goes down only after a whole burst has failed over every way there is, and one during which
 *     we did not stand still ourselves (else it is asked again, at most `burstRepeatsMax` times).
 *  2. A link that was down comes up only after `recoveryReplies` good replies and its hold.
 *  3. Every change of state or evidence is exactly one `state` effect, with a reason.
 *  4. `nextWake` is the earliest instant at which anything happens without input; between two wakes nothing does.
 *  5. Memory is fixed, whatever the peer sends.
 */
export class LinkMonitor implements Machine<MonitorInput, MonitorEffect> {
  readonly #probes: boolean
  readonly #config: MonitorConfig
  readonly #lag: OwnLag
  readonly #hold: FlapHold
  readonly #quality: Quality
  readonly #suspicion = new Suspicion()
  readonly #recovery: Recovery
  readonly #ways: Ways
  readonly #cadence: Cadence
  #now: Instant
  #state: LinkState = 'probing'
  #reason = 'not answered yet'
  #since: Instant
  /** Since when the link is usable (up or degraded). */
  #usableSince: Instant
  #evidence: Evidence = 'none'
  #burst: Burst | undefined
  #regularProbes = 0
  /** Good replies of a link that is new. */
  #firstReplies = 0
  /** Our end, or the peer's, can reach no hub without this link. */
  #needed = false
  #peerNeeds = false
  /** As far as they have been asked for since the last input. */
  #costMs: number | null | undefined
  #costBackMs: number | null | undefined

  constructor(now: Instant, random: Random, { probes, config = {}, past = {}, beat = new IdleBeat() }: MonitorOptions) {
    this.#probes = probes
    this.#config = { ...MONITOR_DEFAULTS, ...config }
    this.#lag = new OwnLag(this.#config)
    this.#hold = past.hold ?? new FlapHold(this.#config)
    if (past.held) {
      this.#state = 'down'
      this.#reason = 'is held back, since it fell before'
    }
    this.#quality = new Quality(this.#config, probes)
    this.#recovery = new Recovery(this.#config)
    this.#ways = new Ways(this.#config)
    this.#cadence = new Cadence(now, random, this.#config, beat)
    this.#now = now
    this.#since = now
    this.#usableSince = now
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

  /** Milliseconds in our direction, `null` if unmeasured; see `costOf`. */
  get costMs(): number | null {
    if (this.#costMs === undefined) this.#costMs = this.#ways.costMs(this.#now, 'forward')
    return this.#costMs
  }

  get costBackMs(): number | null {
    if (this.#costBackMs === undefined) this.#costBackMs = this.#ways.costMs(this.#now, 'backward')
    return this.#costBackMs
  }

  /** Degraded by more than delay; see `Quality`. */
  get impaired(): boolean {
    return this.#state === 'degraded' && this.#quality.impaired
  }

  /** How long the link is held back before it comes up after a fall, ms. */
  get holdMs(): number {
    return this.#needed || this.#peerNeeds ? 0 : this.#hold.holdMs
  }

  counts(via: Via): WayMetrics {
    return this.#ways[via].counts
  }

  view(now: Instant): MonitorView {
    // The windows move on to `now`, and what they say of costs with them.
    this.#costMs = undefined
    this.#costBackMs = undefined
    const track = this.#ways.measured
    return track ? measuresOf(track, now) : UNMEASURED
  }

  handle(now: Instant, input: MonitorInput): MonitorEffect[] {
    const effects: MonitorEffect[] = []
    const due = this.nextWake()
    if (due !== undefined) this.#lag.report(now, now - due)
    this.#now = now
    this.#costMs = undefined
    this.#costBackMs = undefined
    this.#take(input, effects)
    this.#judgeWays(effects)
    this.#judgeState(effects)
    this.#probeIfDue(effects)
    return effects
  }

  nextWake(): Instant | undefined {
    return earliest(this.#burst ? this.#burst.nextAt : this.#nextProbeAt, this.#stateDeadline)
  }

  #take(input: MonitorInput, effects: MonitorEffect[]): void {
    switch (input.type) {
      case 'wake':
        return
      case 'reply':
        return this.#takeReply(input.via, input.at, input.reply, effects)
      case 'probed':
        return this.#takeProbe(input.via, input.at, input.probe, effects)
      case 'carried':
        return this.#cadence.carried(this.#now)
      case 'lag':
        return this.#lag.report(this.#now, input.lagMs)
      case 'datagrams':
        this.#ways.setOpen(input.open)
        if (input.open) this.#cadence.hurry(this.#now, 0)
        else this.#suspicion.forget('udp')
        return
      case 'needed':
        this.#needed = input.needed
        return
      case 'pace':
        return this.#cadence.idle(this.#now, input.idleMs)
    }
  }

  #takeReply(via: Via, at: Instant, reply: ProbeReply, effects: MonitorEffect[]): void {
    const sent = this.#ways[via].answer(this.#now, at, reply, (when) => !this.#lag.doubts(when))
    if (sent === undefined) return
    this.#quality.peerAgeMs = reply.ageMs
    // Its socket answers, but nobody is at home.
    if (this.#quality.hung) return
    this.#suspicion.answered(sent)
    this.#proven(via, effects)
  }

  #takeProbe(via: Via, at: Instant, probe: Probe, effects: MonitorEffect[]): void {
    const proof = this.#ways.hear(this.#now, at, via, probe, !this.#probes)
    if (this.#probes) return
    this.#suspicion.promised(this.#now, via, probe.nextMs)
    this.#quality.peerDegraded = probe.degraded
    this.#quality.peerAgeMs = 0
    this.#peerNeeds = probe.alone
    if (proof) this.#proven(via, effects)
    else if (probe.urgent && this.#usable) this.#burst ??= new Burst(this.#now, this.#config, this.#ways.lossRatio(this.#now))
  }

  /** The link works both ways over `via`. */
  #proven(via: Via, effects: MonitorEffect[]): void {
    if (this.#burst) this.#endBurst()
    if (this.#state === 'down' && this.#recovery.reply(this.#now)) this.#ways.reset()
    this.#ways.answered(via)
    if (this.#state === 'probing' && ++this.#firstReplies >= this.#config.firstReplies)
      this.#become('up', this.#ways.words(this.#now), effects)
  }

  #judgeWays(effects: MonitorEffect[]): void {
    const silent = this.#ways.silence(this.#now, (ms) => this.#lag.stretchMs(this.#now, ms))
    if (silent) this.#suspicion.forget(silent)
    const evidence = this.#ways.evidence
    const settled = this.#reason.endsWith(NOT_YET) && this.#ways.words(this.#now) !== this.#reason
    if (evidence === this.#evidence && !settled) return
    this.#evidence = evidence
    // A change of state in the same turn has told it already.
    if (this.#usable && effects.length === 0) this.#report(this.#state, this.#ways.words(this.#now), effects)
    if (silent === 'control') effects.push({ type: 'halfOpen', reason: 'answers over udp, but its connection is dead' })
  }

  #judgeState(effects: MonitorEffect[]): void {
    const deadline = this.#stateDeadline
    const due = deadline !== undefined && this.#now >= deadline
    switch (this.#state) {
      case 'probing':
        if (due) this.#become('down', `was not answered for ${Math.round((this.#now - this.#since) / 1000)} s`, effects)
        return
      case 'down':
        if (this.#recovery.complete(this.#now, this.holdMs)) this.#become('up', this.#ways.words(this.#now), effects)
        return
      case 'up':
      case 'degraded':
        this.#judgeQuality(effects)
        return this.#judgeLife(effects)
    }
  }

  #judgeQuality(effects: MonitorEffect[]): void {
    const track = this.#ways.measured
    if (!track || this.#burst) return
    const fault = this.#quality.judge(this.#now, track)
    if (fault !== undefined && this.#state === 'up') this.#become('degraded', fault, effects)
    else if (fault === undefined && this.#state === 'degraded') this.#become('up', 'is clean again', effects)
  }

  #judgeLife(effects: MonitorEffect[]): void {
    if (!this.#burst) {
      const dueAt = this.#suspectAt
      if (dueAt !== undefined && this.#now >= dueAt) this.#burst = new Burst(this.#now, this.#config, this.#ways.lossRatio(this.#now))
      return
    }
    const verdictAt = this.#burst.verdictAt(this.#verdictWaitMs)
    if (verdictAt === undefined || this.#now < verdictAt) return
    if (this.#lag.doubts(this.#burst.beganAt) && this.#burst.repeat(this.#now)) return
    this.#become('down', this.#causeOfDeath(this.#burst), effects)
  }

  #causeOfDeath({ probes }: Burst): string {
    if (this.#quality.hung) return `its process has stood still for ${this.#quality.peerAgeMs} ms`
    const { oldest, heardAt } = this.#suspicion
    if (this.#probes && oldest && heardAt !== undefined && heardAt > after(oldest.sent, this.#timeoutMs(oldest.via)))
      return `is heard but has answered nothing for ${Math.round(this.#now - oldest.sent)} ms`
    const silentSince = this.#ways.repliedAt ?? this.#since
    const quietMs = Math.round(this.#now - Math.max(silentSince, heardAt ?? silentSince))
    return `silent for ${quietMs} ms, a burst of ${probes} probes included`
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
      this.#cadence.schedule(this.#now, this.#config.probeDownMs)
    } else if (!this.#usable) {
      this.#usableSince = this.#now
      this.#suspicion.clear()
      // What the link was like on its way up is no measure of it.
      if (this.#state === 'down') this.#ways.restart()
      // Until the peer promises something of its own.
      this.#suspicion.promised(this.#now, 'control', this.#config.probeIdleMs)
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
    const { usual, other } = this.#ways.trusted
    if (this.#burst) {
      if (this.#burst.nextAt === undefined || this.#now < this.#burst.nextAt) return
      const nextMs = this.#cadence.extra(this.#now)
      for (const via of this.#burst.take(this.#now, usual, other)) this.#send(via, nextMs, effects)
      return
    }
    const at = this.#nextProbeAt
    if (at === undefined || this.#now < at) return
    const count = this.#regularProbes++
    const nextMs = this.#scheduleNext(count)
    this.#send(usual, nextMs, effects)
    if (this.#ways.evidence === 'none') {
      if (other) this.#send(other, nextMs, effects)
    } else if (usual === 'control') {
      if (this.#ways.open && count % this.#config.udpTryEvery === 0) this.#send('udp', nextMs, effects)
    } else if (this.#cadence.controlDue(this.#now, this.#ways.owes(this.#now, 'control'))) {
      this.#cadence.controlProbed(this.#now)
      this.#send('control', nextMs, effects)
    }
  }

  /** Returns what the probe that is sent now promises, ms. */
  #scheduleNext(count: number): number {
    if (this.#usable) return this.#cadence.plan(this.#now, this.#scrutinizes)
    const { firstProbes, firstSpacingMs, probeInUseMs, probeDownMs } = this.#config
    const pauseMs = this.#state === 'down' ? probeDownMs : count < firstProbes - 1 ? firstSpacingMs : probeInUseMs
    this.#cadence.schedule(this.#now, pauseMs)
    return this.#cadence.extra(this.#now)
  }

  #send(via: Via, nextMs: number, effects: MonitorEffect[]): void {
    // A silent way is no reason to suspect the link, unless there is no other.
    const { usual, other } = this.#ways.trusted
    if (this.#probes && this.#usable && (via === usual || via === other)) this.#suspicion.sent(this.#now, via)
    const urgent = this.#burst !== undefined && this.#probes
    const probe = {
      ...this.#ways[via].send(this.#now, this.#probes ? nextMs : 0),
      urgent,
      degraded: this.#probes && this.#state === 'degraded',
      alone: this.#needed,
    }
    effects.push({ type: 'probe', via, probe })
  }

  #endBurst(): void {
    this.#burst = undefined
    if (this.#scrutinizes) this.#cadence.hurry(this.#now, this.#config.burstSpacingMs)
    if (!this.#probes) this.#suspicion.pardon(this.#now)
  }

  get #usable(): boolean {
    return this.#state === 'up' || this.#state === 'degraded'
  }

  /** Whether to look closer: a loss is fresh, and what it means is not known yet. */
  get #scrutinizes(): boolean {
    return this.#state === 'up' && this.#ways.udp.alarm.suspicious
  }

  /** The end that does not probe is silent while the link is well. */
  get #nextProbeAt(): Instant | undefined {
    return this.#probes || !this.#usable ? this.#cadence.nextAt : undefined
  }

  #timeoutMs(via: Via): number {
    return this.#lag.stretchMs(this.#now, this.#ways.timeoutMs(via) + this.#patienceMs)
  }

  #allowanceMs(via: Via): number {
    const { promiseAllowanceMs, controlAllowanceMs } = this.#config
    const jitterMs = this.#ways[via].backward.jitterMs ?? 0
    const usualMs = Math.max(via === 'udp' ? promiseAllowanceMs : controlAllowanceMs, 4 * jitterMs)
    return this.#lag.stretchMs(this.#now, usualMs + this.#patienceMs)
  }

  get #patienceMs(): number {
    return this.#cadence.inUse(this.#now) ? 0 : this.#config.idlePatienceMs
  }

  get #verdictWaitMs(): number {
    return this.#lag.stretchMs(this.#now, this.#ways.verdictMs)
  }

  get #suspectAt(): Instant | undefined {
    return this.#probes
      ? this.#suspicion.replyDueAt((via) => this.#timeoutMs(via))
      : this.#suspicion.probeDueAt((via) => this.#allowanceMs(via))
  }

  /** The next instant at which the state may change, or come into doubt, for want of input. */
  get #stateDeadline(): Instant | undefined {
    switch (this.#state) {
      case 'probing':
        return after(this.#since, this.#lag.stretchMs(this.#now, this.#config.probingMsMax))
      case 'down':
        return this.#recovery.upAt(this.holdMs)
      case 'up':
      case 'degraded':
        if (this.#burst) return this.#burst.verdictAt(this.#verdictWaitMs)
        return earliest(this.#suspectAt, this.#quality.changesAt)
    }
  }
}
