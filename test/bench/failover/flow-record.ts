/**
 * All that became of a flow: what was sent and what came, by the machine's monotonic clock. A fault is judged by looking
 * back at its window once everything has had time to come, so a message that was late is not called lost.
 */
import type { FlowNews } from '../flow/flow-talk.ts'
import { maxOf, quantileOf } from '../statistics.ts'

/** A silence that began this long before the fault may have been caused by it: frames in flight vanish too. */
const BEFORE_MS = 100
/** The usual delay is that of so long before the fault. */
const USUAL_MS = 1_500

export interface Window {
  readonly faultAt: number
  /** Until then nothing else was done to the network. */
  readonly endAt: number
}

export interface WindowFigures {
  /** Longest time without an arrival. */
  readonly gapMs: number
  /** Twice the median delay before the fault. */
  readonly rttMs: number
  readonly sent: number
  readonly lost: number
  readonly duplicated: number
  /** Messages that came after one that was sent later. */
  readonly reordered: number
}

export class FlowRecord {
  readonly #sentAt: number[] = []
  readonly #sequences: number[] = []
  readonly #arrivalSentAt: number[] = []
  readonly #arrivedAt: number[] = []

  addSent({ sentAt }: Pick<FlowNews, 'sentAt'>): void {
    for (const at of sentAt) this.#sentAt.push(at)
  }

  addArrivals({ sequences, arrivalSentAt, arrivedAt }: Pick<FlowNews, 'sequences' | 'arrivalSentAt' | 'arrivedAt'>): void {
    for (let i = 0; i < sequences.length; i++) {
      this.#sequences.push(sequences[i] as number)
      this.#arrivalSentAt.push(arrivalSentAt[i] as number)
      this.#arrivedAt.push(arrivedAt[i] as number)
    }
  }

  /** Arrivals in a span of time. */
  arrivedBetween(from: number, to: number): number {
    return this.#arrivalsBetween(from, to).length
  }

  /** When the newest of what has come was sent; `-Infinity` if nothing has. */
  get newestSentAt(): number {
    return this.#arrivalSentAt.at(-1) ?? -Infinity
  }

  /** Delays of the messages sent in a span of time that came, ms. */
  delaysOf(from: number, to: number): number[] {
    const delays: number[] = []
    for (let i = this.#firstArrival(from); i < this.#arrivedAt.length; i++) {
      const sentAt = this.#arrivalSentAt[i] as number
      if (sentAt >= from && sentAt < to) delays.push((this.#arrivedAt[i] as number) - sentAt)
    }
    return delays
  }

  figures({ faultAt, endAt }: Window): WindowFigures {
    const arrivals = this.#arrivalsBetween(faultAt - BEFORE_MS, endAt)
    const times = [...arrivals.map((index) => this.#arrivedAt[index] as number), endAt]
    const gaps = times.slice(1).map((at, index) => at - (times[index] as number))
    const sequences = arrivals.map((index) => this.#sequences[index] as number)
    const came = new Set(this.#sequences.slice(this.#firstArrival(faultAt - BEFORE_MS)))
    const sent = this.#sentBetween(faultAt - BEFORE_MS, endAt)
    const before = this.delaysOf(faultAt - USUAL_MS, faultAt - BEFORE_MS)
    return {
      gapMs: maxOf(gaps) ?? endAt - faultAt,
      rttMs: 2 * (quantileOf(before, 0.5) ?? Number.NaN),
      sent: sent.length,
      lost: sent.filter((sequence) => !came.has(sequence)).length,
      ...disorderOf(sequences),
    }
  }

  #sentBetween(from: number, to: number): number[] {
    return this.#sentAt.flatMap((at, sequence) => (at >= from && at < to ? [sequence] : []))
  }

  #arrivalsBetween(from: number, to: number): number[] {
    const indices: number[] = []
    for (let i = this.#firstArrival(from); i < this.#arrivedAt.length && (this.#arrivedAt[i] as number) < to; i++) indices.push(i)
    return indices
  }

  /** Arrivals stand in the order of their time: by bisection. */
  #firstArrival(from: number): number {
    let low = 0
    let high = this.#arrivedAt.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#arrivedAt[middle] as number) < from) low = middle + 1
      else high = middle
    }
    return low
  }
}

function disorderOf(sequences: readonly number[]): Pick<WindowFigures, 'duplicated' | 'reordered'> {
  const seen = new Set<number>()
  const disorder = { duplicated: 0, reordered: 0 }
  let newest = -1
  for (const sequence of sequences) {
    if (seen.has(sequence)) disorder.duplicated++
    else if (sequence < newest) disorder.reordered++
    seen.add(sequence)
    newest = Math.max(newest, sequence)
  }
  return disorder
}
