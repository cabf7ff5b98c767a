/**
 * Tells in time that the credential of this node ends: from two weeks before, ever more urgently, each step once. From its
 * end on its peers leave it, nobody takes a new link of it, and it writes nothing.
 */
import type { Report } from './forwarding/sparing-reports.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const STEPS_MS: readonly number[] = [14 * DAY_MS, 7 * DAY_MS, 3 * DAY_MS, DAY_MS, HOUR_MS, 0]
const LOOK_MS = 60_000

export class CredentialEnd {
  readonly #endsAtMs: number
  readonly #report: Report
  /** The steps that are past. */
  #told = 0

  constructor(endsAtMs: number, report: Report) {
    this.#endsAtMs = endsAtMs
    this.#report = report
  }

  /** Looks now, and every minute until the returned function is called. */
  watch(): () => void {
    this.look(Date.now())
    const timer = setInterval(() => this.look(Date.now()), LOOK_MS)
    return () => clearInterval(timer)
  }

  /** `wallMs`: milliseconds since 1970. */
  look(wallMs: number): void {
    const leftMs = this.#endsAtMs - wallMs
    const past = STEPS_MS.filter((step) => leftMs <= step).length
    const isNews = past > this.#told
    // Of a clock that was set back, it is told anew.
    this.#told = past
    if (!isNews) return
    const data = { at: new Date(this.#endsAtMs).toISOString(), remedy: 'renew it with `causeway renew`, and start the node again' }
    if (leftMs <= 0) this.#report('credential-ended', data)
    else this.#report('credential-ends', { ...data, hoursLeft: Math.floor(leftMs / HOUR_MS) })
  }
}
