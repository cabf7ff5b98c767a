/**
 * Who has been silent for how long, as a hub knows it, also over its own restarts. Time is counted on the monotonic clock; what is
 * on disk is wall time, which may be wrong. So after a start nobody counts as silent for quite as long as it takes to be retired.
 */
import { type Hasher, type Instant, type StoreEntry, instant } from '@causeway/protocol'
import { heardEntry, heardKey } from './batch-store.ts'

/** How much of the silence before a start is believed. */
const BELIEVED_RATIO = 0.9
/** What is on disk may be so much older than what is known, as a part of the horizon. */
const STALE_RATIO = 1 / 30

/** What the disk says of a node. */
export interface Heard {
  /** Wall clock when it was last heard, milliseconds since 1970. */
  readonly ms: number
  readonly hub: boolean
}

interface Known {
  at: Instant
  hub: boolean
  /** Instant of what is on disk. */
  storedAt: Instant | undefined
}

export class Silence {
  readonly #horizonMs: number
  readonly #known = new Map<string, Known>()

  constructor(horizonMs: number, now: Instant, wallMs: number, stored: ReadonlyMap<string, Heard>) {
    this.#horizonMs = horizonMs
    for (const [name, { ms, hub }] of stored) {
      const silentMs = Math.min(Math.max(0, wallMs - ms), BELIEVED_RATIO * horizonMs)
      const at = instant(now - silentMs)
      this.#known.set(name, { at, hub, storedAt: at })
    }
  }

  hear(at: Instant, name: string, hub = false): void {
    const known = this.#known.get(name)
    if (!known) this.#known.set(name, { at, hub, storedAt: undefined })
    else {
      known.at = instant(Math.max(known.at, at))
      known.hub ||= hub
    }
  }

  /** Whoever is not known yet begins to be silent now. */
  silentMs(now: Instant, name: string): number {
    if (!this.#known.has(name)) this.hear(now, name)
    return now - (this.#known.get(name)?.at ?? now)
  }

  /** All hubs that were ever heard. */
  hubs(): string[] {
    return [...this.#known].filter(([, { hub }]) => hub).map(([name]) => name)
  }

  /** It is not waited for any more. */
  forget(name: string): StoreEntry[] {
    return this.#known.delete(name) ? [{ key: heardKey(name), value: undefined }] : []
  }

  /** What should be on disk and is not. */
  take(crypto: Hasher, now: Instant, wallMs: number): StoreEntry[] {
    const entries: StoreEntry[] = []
    for (const [name, known] of this.#known) {
      const { at, hub, storedAt } = known
      if (storedAt !== undefined && at - storedAt < STALE_RATIO * this.#horizonMs) continue
      known.storedAt = at
      entries.push(heardEntry(crypto, name, { ms: Math.max(0, Math.floor(wallMs - (now - at))), hub }))
    }
    return entries
  }
}
