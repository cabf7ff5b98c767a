/**
 * A disk that takes its time: tickets become durable one after the other, each some milliseconds after it was asked
 * for. A crash of the process keeps a prefix of the pending tickets, by chance anything from none to all; a power cut keeps
 * none of them (driver.ts, rule 7).
 */
import type { Random, StoreEffect, StoreEntry } from '@causeway/protocol'
import type { Timeline } from './timeline.ts'

export interface StoreOptions {
  /** From `persist` to `persisted`: one flush of an SSD. @default 2 */
  readonly persistMs?: number
  /**
   * A disk that breaks the contract, to prove that the checkers notice: tickets are reported when they are asked for.
   * @default false
   */
  readonly reportsEarly?: boolean
}

export class SimulatedStore {
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #persistMs: number
  readonly #reportsEarly: boolean
  readonly #durable = new Map<string, Uint8Array>()
  #pending: StoreEffect[] = []
  #busyUntil = 0
  /** Raised by every crash: what was planned before it does not happen. */
  #life = 0

  constructor(timeline: Timeline, random: Random, options: StoreOptions = {}) {
    this.#timeline = timeline
    this.#random = random
    this.#persistMs = options.persistMs ?? 2
    this.#reportsEarly = options.reportsEarly ?? false
  }

  get pending(): number {
    return this.#pending.length
  }

  get size(): number {
    return this.#durable.size
  }

  /** Everything that is on the disk: what a starting process reads, in the order of the keys. */
  entries(): StoreEntry[] {
    return [...this.#durable].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value: value.slice() }))
  }

  persist(effect: StoreEffect, persisted: (ticket: number) => void): void {
    const life = this.#life
    // What the caller does to its bytes from now on is its own business.
    const own = { ...effect, entries: effect.entries.map(({ key, value }) => ({ key, value: value?.slice() })) }
    this.#pending.push(own)
    if (this.#reportsEarly) this.#timeline.after(0, () => life === this.#life && persisted(effect.ticket))
    // Flushes overlap: a disk that takes 2 ms still takes many tickets in them, but in order.
    this.#busyUntil = Math.max(this.#busyUntil, this.#timeline.now + this.#persistMs * (0.5 + this.#random.float()))
    this.#timeline.at(this.#busyUntil, () => {
      if (life !== this.#life) return
      this.#pending.shift()
      this.#write(own)
      if (!this.#reportsEarly) persisted(effect.ticket)
    })
  }

  /** The process dies. Returns the number of tickets that are lost with it. */
  crash(): number {
    this.#life++
    return this.#end(this.#random.uint32() % (this.#pending.length + 1))
  }

  /** The power fails: what was not flushed is gone. Returns the number of those tickets. */
  powerCut(): number {
    this.#life++
    return this.#end(0)
  }

  #end(kept: number): number {
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
      else this.#durable.set(key, value)
    }
  }
}
