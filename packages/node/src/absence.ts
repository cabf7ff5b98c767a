/**
 * How long a site was without any hub, and what that comes to: what was written meanwhile, and what came when it was
 * back. Both are counted in records, each once; the report waits until both sides hold what the other had.
 *
 *  1. A site that finds its first hub soon after its start was not away.
 */
import { type Instant, after } from '@causeway/protocol'

/** A start takes a moment. */
const START_MS = 5_000
/** After the link is back it takes a moment until state flows. */
const QUIET_MS = 3_000
const SETTLE_MS_MAX = 60_000
const COUNTED_MAX = 100_000

export type AbsenceEvent =
  | { readonly name: 'site-cut-off'; readonly data: Readonly<Record<string, never>> }
  | {
      readonly name: 'site-rejoined'
      /** `settled`: all that either side had has arrived. */
      readonly data: { readonly cutOffMs: number; readonly sent: number; readonly received: number; readonly settled: boolean }
    }

export class Absence {
  #state: 'starting' | 'connected' | 'away' | 'settling' = 'starting'
  readonly #startedAt: Instant
  #awayAt: Instant
  #backAt: Instant
  #changedAt: Instant
  readonly #written = new Set<string>()
  readonly #received = new Set<string>()

  constructor(now: Instant) {
    this.#startedAt = now
    this.#awayAt = now
    this.#backAt = now
    this.#changedAt = now
  }

  /** A record has changed; `ours`: by a writer of this site. */
  changed(now: Instant, record: string, ours: boolean): void {
    if (this.#state === 'connected') return
    this.#changedAt = now
    const counted = ours ? this.#written : this.#received
    if (counted.size < COUNTED_MAX) counted.add(record)
  }

  /** `settled`: state has been exchanged with the core, as far as one can tell. */
  observe(now: Instant, cutOff: boolean, settled: () => boolean): AbsenceEvent | undefined {
    if (cutOff) return this.#state === 'away' ? undefined : this.#left(now)
    if (this.#state === 'away') {
      this.#state = 'settling'
      this.#backAt = now
      this.#received.clear()
    }
    if (this.#state === 'starting') this.#connected()
    if (this.#state !== 'settling') return undefined
    const quiet = now >= after(this.#changedAt, QUIET_MS) && now >= after(this.#backAt, QUIET_MS) && settled()
    if (!quiet && now < after(this.#backAt, SETTLE_MS_MAX)) return undefined
    const data = {
      cutOffMs: Math.round(this.#backAt - this.#awayAt),
      sent: this.#written.size,
      received: this.#received.size,
      settled: quiet,
    }
    this.#connected()
    return { name: 'site-rejoined', data }
  }

  /** When to observe again, though nothing happens. */
  nextWake(now: Instant): Instant | undefined {
    if (this.#state === 'starting') return after(this.#startedAt, START_MS)
    return this.#state === 'settling' ? after(now, QUIET_MS) : undefined
  }

  #left(now: Instant): AbsenceEvent | undefined {
    if (this.#state === 'starting' && now < after(this.#startedAt, START_MS)) return undefined
    // What was not settled yet counts on.
    if (this.#state === 'connected') this.#awayAt = now
    this.#state = 'away'
    return { name: 'site-cut-off', data: {} }
  }

  #connected(): void {
    this.#state = 'connected'
    this.#written.clear()
    this.#received.clear()
  }
}
