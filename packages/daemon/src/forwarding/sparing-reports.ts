/**
 * Events of things that may happen a thousand times a second: of each kind and each forward or service one a second at
 * most is told, with the number of those that were not.
 */
type Facts = Readonly<Record<string, string | number | boolean | null>>
export type Report = (name: string, data: Facts) => void

const EVERY_MS = 1_000
/** bound: forwards that were asked for come and go. */
const TOLD_MAX = 4_096

export class SparingReports {
  readonly #report: Report
  readonly #told = new Map<string, { atMs: number; untold: number }>()

  constructor(report: Report) {
    this.#report = report
  }

  /** `about` names the forward or service. */
  tell(name: string, about: string, data: Facts): void {
    const key = `${name} ${about}`
    const last = this.#told.get(key)
    const nowMs = performance.now()
    if (last && nowMs - last.atMs < EVERY_MS) {
      last.untold++
      return
    }
    if (this.#told.size >= TOLD_MAX) this.#told.clear()
    this.#told.set(key, { atMs: nowMs, untold: 0 })
    this.#report(name, { ...data, ...(last && last.untold > 0 && { more: last.untold }) })
  }
}
