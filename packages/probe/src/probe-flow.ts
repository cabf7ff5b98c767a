/**
 * The packets of one source port: which are out, which were answered in time, twice, late or out of order. Several
 * flows to one target take different ways where routers spread by port, so order and jitter are of a flow.
 *
 *  1. A packet is decided once: answered or lost; what comes later changes neither.
 *  2. Of what was decided the last `MEMORY` are remembered, to know repetitions from nonsense.
 */
import { type Instant, after } from '@causeway/protocol'
import { Jitter } from './jitter.ts'
import { type WayCounts, WayLoss } from './way-loss.ts'

const MEMORY = 4_096

/** A packet as it shows in a row of recent ones: its round trip, `null` if lost, `undefined` while it is out. */
export interface Outcome {
  rttMs: number | null | undefined
}

interface Waiting {
  readonly sentAt: Instant
  readonly outcome: Outcome
}

export interface FlowAnswer {
  readonly index: number
  /** How long the far end held it; not part of the round trip. @default 0 */
  readonly residenceMs?: number
  /** @default from when it was sent until now, without the residence */
  readonly rttMs?: number
  /** Under which number it travelled, and the reflector's own; `null` where there are none. */
  readonly numbers: { readonly sequence: number; readonly reflectorSequence: number } | null
}

/** What an answer is worth: the round trip for a first one, else why it is not counted. */
export type AnswerWorth = { readonly rttMs: number } | 'repeated' | 'late' | 'unknown'

export class ProbeFlow {
  readonly #waiting = new Map<number, Waiting>()
  readonly #decided = new Map<number, 'answered' | 'lost' | 'late'>()
  readonly #ways = new WayLoss()
  readonly #jitter = new Jitter()
  #next = 0
  #highest = -1
  reordered = 0

  get waiting(): number {
    return this.#waiting.size
  }

  get jitterMs(): number | null {
    return this.#jitter.jitterMs
  }

  /** A packet has gone out; returns its index. */
  sent(now: Instant, outcome: Outcome): number {
    this.#waiting.set(this.#next, { sentAt: now, outcome })
    return this.#next++
  }

  answered(now: Instant, answer: FlowAnswer): AnswerWorth {
    const { index, numbers } = answer
    const waiting = this.#waiting.get(index)
    if (!waiting) return this.#again(answer)
    const rttMs = answer.rttMs ?? roundTrip(now - waiting.sentAt, answer.residenceMs ?? 0)
    this.#decide(index, 'answered')
    waiting.outcome.rttMs = rttMs
    if (numbers) this.#ways.add({ index, ...numbers })
    if (index < this.#highest) this.reordered++
    this.#highest = Math.max(index, this.#highest)
    this.#jitter.add(waiting.sentAt, after(waiting.sentAt, rttMs))
    return { rttMs }
  }

  /** True if the packet was out: now it is lost. */
  failed(index: number): boolean {
    const waiting = this.#waiting.get(index)
    if (!waiting) return false
    this.#decide(index, 'lost')
    waiting.outcome.rttMs = null
    return true
  }

  /** Gives up on what went out before `before`; returns how many. */
  giveUp(before: Instant): number {
    let lost = 0
    for (const [index, { sentAt }] of this.#waiting) {
      if (sentAt > before) break
      this.failed(index)
      lost++
    }
    return lost
  }

  /** Forgets what is still out; returns how many. */
  forget(): number {
    const forgotten = this.#waiting.size
    this.#waiting.clear()
    return forgotten
  }

  ways(): WayCounts | null {
    return this.#ways.counts()
  }

  #again({ index, numbers }: FlowAnswer): AnswerWorth {
    const decided = this.#decided.get(index)
    if (decided === undefined) return 'unknown'
    if (decided === 'lost') {
      this.#decided.set(index, 'late')
      if (numbers) this.#ways.add({ index, ...numbers })
      return 'late'
    }
    if (numbers) this.#ways.repeat(numbers.reflectorSequence)
    return 'repeated'
  }

  #decide(index: number, as: 'answered' | 'lost'): void {
    this.#waiting.delete(index)
    this.#decided.set(index, as)
    if (this.#decided.size <= MEMORY) return
    const oldest = this.#decided.keys().next()
    if (oldest.done === false) this.#decided.delete(oldest.value)
  }
}

/** A far end that claims to have held a packet for longer than it was away is not believed. */
function roundTrip(elapsedMs: number, residenceMs: number): number {
  return residenceMs >= 0 && residenceMs <= elapsedMs ? elapsedMs - residenceMs : elapsedMs
}
