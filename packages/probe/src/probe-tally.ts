/**
 * One measurement of one target, kept as it goes: what went out, what came back, which way the rest was lost. It takes
 * events and times and knows no sockets, so STAMP, TCP and a ping over the mesh are counted by the same rules.
 *
 *  1. sent = received + lost + still out, at any time.
 *  2. A packet that is not answered within the timeout is lost, also if an answer comes later (`late`).
 *  3. What is still out when a measurement is broken off counts neither as sent nor as lost.
 */
import { type Instant, after } from '@causeway/protocol'
import { ClockOffset, type ExchangeTimes } from './clock-offset.ts'
import { DelayDistribution } from './delay-distribution.ts'
import { OneWayDelay } from './one-way-delay.ts'
import { type AnswerWorth, type FlowAnswer, type Outcome, ProbeFlow } from './probe-flow.ts'
import type { ByWay, ProbeReport } from './probe-report.ts'

/** As many as a wide terminal shows. */
const RECENT_MAX = 120

export interface TallyOptions {
  readonly target: string
  readonly timeoutMs: number
  /** Source ports. @default 1 */
  readonly flows?: number | undefined
}

export interface ProbeAnswer extends FlowAnswer {
  /** @default the first */
  readonly flow?: number
  /** The stamps of both ends, if the target has any. */
  readonly times?: ExchangeTimes
  /** How far the two clocks may differ; `null` unless both ends say that theirs is synchronised. @default null */
  readonly uncertaintyMs?: number | null
}

export class ProbeTally {
  readonly target: string
  readonly #timeoutMs: number
  readonly #flows: readonly ProbeFlow[]
  readonly #delays = new DelayDistribution()
  readonly #offset = new ClockOffset()
  readonly #oneWay = new OneWayDelay()
  #recent: Outcome[] = []
  #sent = 0
  #received = 0
  #lost = 0
  #duplicated = 0
  #late = 0
  #fault: string | null = null

  constructor({ target, timeoutMs, flows = 1 }: TallyOptions) {
    this.target = target
    this.#timeoutMs = timeoutMs
    this.#flows = Array.from({ length: flows }, () => new ProbeFlow())
  }

  get sent(): number {
    return this.#sent
  }

  /** Packets that are out and neither answered nor lost. */
  get waiting(): number {
    return this.#flows.reduce((sum, flow) => sum + flow.waiting, 0)
  }

  /** The last packets, oldest first, at most 120. */
  get recent(): readonly Readonly<Outcome>[] {
    return this.#recent
  }

  /** A packet has gone out; returns its index within its flow. */
  packetSent(now: Instant, flow = 0): number {
    const outcome: Outcome = { rttMs: undefined }
    this.#recent.push(outcome)
    if (this.#recent.length > RECENT_MAX) this.#recent.shift()
    this.#sent++
    return this.#flows[flow]?.sent(now, outcome) ?? 0
  }

  answered(now: Instant, answer: ProbeAnswer): AnswerWorth {
    this.settle(now)
    const worth = this.#flows[answer.flow ?? 0]?.answered(now, answer) ?? 'unknown'
    if (worth === 'repeated') this.#duplicated++
    else if (worth === 'late') this.#late++
    else if (worth !== 'unknown') {
      this.#received++
      this.#delays.add(worth.rttMs)
      if (answer.times) this.#learnTimes(now, answer.times, answer.uncertaintyMs ?? null)
    }
    return worth
  }

  /** A packet failed for a reason that is known. */
  failed(index: number, reason: string, flow = 0): void {
    if (this.#flows[flow]?.failed(index) === true) this.#lost++
    this.#fault = reason
  }

  /** Something was heard that may be why packets are lost. */
  complain(reason: string): void {
    this.#fault = reason
  }

  /** Gives up on what has been out for longer than the timeout. */
  settle(now: Instant): void {
    for (const flow of this.#flows) this.#lost += flow.giveUp(after(now, -this.#timeoutMs))
  }

  /** The measurement is broken off: what is out is nobody's fault. */
  breakOff(): void {
    for (const flow of this.#flows) this.#sent -= flow.forget()
    this.#recent = this.#recent.filter(({ rttMs }) => rttMs !== undefined)
  }

  report(now: Instant): ProbeReport {
    this.settle(now)
    const delays = this.#delays.summary()
    const lost = this.#lostByWay()
    const reached = this.#received + this.#late + (lost.backward ?? 0)
    const offset = this.#offset.estimate(now)
    return {
      target: this.target,
      sent: this.#sent,
      received: this.#received,
      lost,
      lossRatio: {
        total: ratio(this.#lost, this.#received + this.#lost),
        forward: lost.forward === null ? null : ratio(lost.forward, reached + lost.forward),
        backward: lost.backward === null ? null : ratio(lost.backward, reached),
      },
      duplicated: this.#duplicated,
      reordered: this.#flows.reduce((sum, { reordered }) => sum + reordered, 0),
      late: this.#late,
      rttMs: delays,
      jitterMs: {
        rfc3550: mean(this.#flows.map(({ jitterMs }) => jitterMs)),
        p95MinusP50: delays.p95 === null || delays.p50 === null ? null : delays.p95 - delays.p50,
      },
      oneWayMs: this.#oneWay.mean(),
      clockOffsetMs: offset && { estimate: offset.offsetMs, uncertainty: offset.uncertaintyMs },
      fault: this.#lost > 0 ? this.#fault : null,
    }
  }

  #learnTimes(now: Instant, times: ExchangeTimes, uncertaintyMs: number | null): void {
    this.#offset.add(now, times)
    if (uncertaintyMs !== null) this.#oneWay.add(times, uncertaintyMs)
  }

  #lostByWay(): ByWay & { readonly total: number } {
    const total = this.#lost
    const ways = this.#flows.flatMap((flow) => flow.ways() ?? [])
    if (ways.length === 0) return { total, forward: null, backward: null }
    // An answer that is still to come is no loss yet, though one to a later packet is here.
    const decided = total - this.#late
    const forward = Math.min(decided, sumOf(ways, 'forward'))
    return { total, forward, backward: Math.min(decided - forward, sumOf(ways, 'backward')) }
  }
}

function sumOf(ways: readonly { readonly forward: number; readonly backward: number }[], way: 'forward' | 'backward'): number {
  return ways.reduce((sum, counts) => sum + counts[way], 0)
}

function ratio(part: number, whole: number): number | null {
  return whole <= 0 ? null : part / whole
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}
