/**
 * A disk that takes its time: tickets become durable one after the other, each some milliseconds after it was asked
 * for. A crash keeps a prefix of the pending tickets, by chance anything from none to all (driver.ts, rule 6).
 */
import type { Random, StoreEffect, StoreEntry } from '@causeway/protocol'
import type { Timeline } from './timeline.ts'

export interface StoreOptions {
  /** From `persist` to `persisted`: one flush of an SSD. @default 2 */
  readonly persistMs?: number
}

export class SimulatedStore {
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #persistMs: number
  readonly #durable = new Map<string, Uint8Array>()
  #pending: StoreEffect[] = []
  #busyUntil = 0
  /** Raised by every crash: what was planned before it does not happen. */
  #life = 0

  constructor(timeline: Timeline, random: Random, options: StoreOptions = {}) {
    this.#timeline = timeline
    this.#random = random
    this.#persistMs = options.persistMs ?? 2
  }

  get pending(): number {
    return this.#pending.length
  }

  get size(): number {
    return this.#durable.size
  }

  /** Everything that is on the disk: what a starting process reads. */
  entries(): StoreEntry[] {
    return [...this.#durable].map(([key, value]) => ({ key, value: value.slice() }))
  }

  persist(effect: StoreEffect, persisted: (ticket: number) => void): void {
    const life = this.#life
    this.#pending.push(effect)
    // Flushes overlap: a disk that takes 2 ms still takes many tickets in them, but in order.
    this.#busyUntil = Math.max(this.#busyUntil, this.#timeline.now + this.#persistMs * (0.5 + this.#random.float()))
    this.#timeline.at(this.#busyUntil, () => {
      if (life !== this.#life) return
      this.#pending.shift()
      this.#write(effect)
      persisted(effect.ticket)
    })
  }

  /** The process dies. Returns the number of tickets that are lost with it. */
  crash(): number {
    this.#life++
    const kept = this.#random.uint32() % (this.#pending.length + 1)
    for (const effect of this.#pending.slice(0, kept)) this.#write(effect)
    const lost = this.#pending.length - kept
    this.#pending = []
    return lost
  }

  /** The disk is replaced by an empty one. Only while the process is down. */
  erase(): number {
    const lost = this.#durable.size
    this.#durable.clear()
    return lost
  }

  #write(effect: StoreEffect): void {
    for (const { key, value } of effect.entries) {
      if (value === undefined) this.#durable.delete(key)
      else this.#durable.set(key, value.slice())
    }
  }
}
