/**
 * Which batches of ours nobody towards the core has acknowledged yet, and since when: what `pending` and `lagMs` of
 * the status show.
 */
import type { Instant } from '@causeway/protocol'
import type { LogPoint } from './batch.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

interface Waiting {
  /** Seq of the oldest batch that waits. */
  first: number
  /** When each of them was made. */
  since: Instant[]
}

export class Backlog {
  readonly #logs = new Map<string, Waiting>()
  #count = 0

  get count(): number {
    return this.#count
  }

  lagMs(now: Instant): number {
    let lag = 0
    for (const { since } of this.#logs.values()) lag = Math.max(lag, now - (since[0] ?? now))
    return lag
  }

  /** Batch `seq`, the next of its log, was made at `now`. */
  add(now: Instant, document: ReplicatedDocument, { epoch, seq }: LogPoint): void {
    const key = `${document.id}|${epoch}`
    const waiting = this.#logs.get(key)
    if (waiting) waiting.since.push(now)
    else this.#logs.set(key, { first: seq, since: [now] })
    this.#count += 1
  }

  /** Somebody who counts holds these points and what they rest on. */
  acknowledged(document: ReplicatedDocument, points: readonly LogPoint[]): void {
    for (const [epoch, seq] of document.closure(points)) {
      const key = `${document.id}|${epoch}`
      const waiting = this.#logs.get(key)
      if (!waiting || waiting.first > seq) continue
      const done = waiting.since.splice(0, seq - waiting.first + 1).length
      waiting.first += done
      this.#count -= done
      if (waiting.since.length === 0) this.#logs.delete(key)
    }
  }
}
