/**
 * What one channel doubts: the paths on which something of it is overdue, how often in a row, and what it has sent again
 * elsewhere since. A node that stood still for a moment is not a dead path: where all that was overdue turns out to have
 * arrived, sooner than the other path could have brought it, nothing was lost but time (the Eifel detection, RFC 3522, by
 * time instead of by stamps).
 *
 * Not shared with other channels: else each of many would make the others wait longer.
 */
import { type Instant, after } from '@causeway/protocol'
import type { Path } from './path.ts'
import type { Copy, Segment } from './segment.ts'

interface Doubt {
  /** In a row, the first and the last at these times. */
  readonly timeouts: number
  readonly since: Instant
  readonly at: Instant
  /** Of the path by then: when it has been heard of since, the timeouts are void. */
  readonly renewals: number
  /** What of it may still turn out to have been sent in vain. */
  sentAgain: Segment[]
}

export class Doubts {
  readonly #byPath = new Map<Path, Doubt>()

  timedOut(now: Instant, path: Path): void {
    const known = this.#current(path)
    const { since, sentAgain } = known ?? { since: now, sentAgain: [] }
    this.#byPath.set(path, { timeouts: (known?.timeouts ?? 0) + 1, since, at: now, renewals: path.renewals, sentAgain })
  }

  sentAgain(path: Path, segment: Segment): void {
    this.#byPath.get(path)?.sentAgain.push(segment)
  }

  /** When what left at `sentAt` over that path is overdue: after a timeout later, doubling every time until it is heard of. */
  overdueAt({ path, sentAt }: Copy): Instant {
    const at = this.#byPath.get(path)?.at
    return after(at !== undefined && at > sentAt ? at : sentAt, path.backoffMs(this.#current(path)?.timeouts ?? 0))
  }

  /**
   * That copy has been acknowledged over its path. True once all that was sent again turns out to have arrived the first
   * time; `isOut` tells of a segment that it has not arrived yet.
   */
  answered(now: Instant, { path, sentAt }: Copy, isOut: (segment: Segment) => boolean): boolean {
    const doubt = this.#byPath.get(path)
    if (!doubt || doubt.sentAgain.length === 0) return false
    const out = doubt.sentAgain.filter(isOut)
    const arrived = doubt.sentAgain.filter((segment) => !out.includes(segment))
    const onlyLate = sentAt < doubt.since && arrived.every((segment) => soonerThanAgain(now, segment, doubt.since))
    doubt.sentAgain = onlyLate ? out : []
    return onlyLate && out.length === 0
  }

  keepOnly(paths: ReadonlySet<Path>): void {
    for (const path of this.#byPath.keys()) if (!paths.has(path)) this.#byPath.delete(path)
  }

  #current(path: Path): Doubt | undefined {
    const doubt = this.#byPath.get(path)
    return doubt?.renewals === path.renewals ? doubt : undefined
  }
}

/** The copy that was sent since cannot have been acknowledged yet. */
function soonerThanAgain(now: Instant, { copies }: Segment, since: Instant): boolean {
  const again = copies.at(-1)
  return again === undefined || again.sentAt < since || now - again.sentAt < again.path.leastRttMs(now)
}
