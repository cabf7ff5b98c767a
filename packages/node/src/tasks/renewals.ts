/**
 * When the allocator is asked about which leases: about all every 5 s, and about those with news at once; and when each
 * question left, because a lease counts from there.
 */
import { type Instant, LEASE_TIMES, type LeaseClaim, type LeaseEnd, RENEW_LEASES_MAX, after, earliest, instant } from '@causeway/protocol'
import type { Renew } from './task-host.ts'

/** News that come together are asked about together. */
const GATHER_MS = 2
/** Answers that are later are of no use. */
const ANSWER_MS_MAX = LEASE_TIMES.selfStopMs

export class Renewals {
  /** When all leases are renewed. */
  #allAt: Instant | undefined
  /** These are asked about before that, at `#soonAt`. */
  readonly #urgent = new Set<string>()
  #soonAt: Instant | undefined
  readonly #asked = new Map<number, Instant>()
  #number = 0

  soon(now: Instant, id: string): void {
    this.#urgent.add(id)
    this.#soonAt ??= after(now, GATHER_MS)
    this.#allAt ??= after(now, LEASE_TIMES.renewMs)
  }

  /** What is to be asked now; nothing if it is not yet time. `isKnown`: more than its name is known here. */
  questions(
    now: Instant,
    held: ReadonlyMap<string, { readonly token: number }>,
    ends: ReadonlyMap<string, LeaseEnd>,
    isKnown: (id: string) => boolean,
  ): Renew[] {
    const all = this.#allAt !== undefined && now >= this.#allAt
    if (!all && (this.#soonAt === undefined || now < this.#soonAt)) return []
    // There is news of a few at a time, and a node may hold thousands.
    const ids = all ? new Set([...held.keys(), ...ends.keys()]) : this.#urgent
    const leases: LeaseClaim[] = []
    const ended: LeaseEnd[] = []
    for (const id of ids) {
      const [lease, end] = [held.get(id), ends.get(id)]
      if (lease) leases.push({ task: id, token: lease.token })
      if (end) ended.push(end)
    }
    const wanted = leases.map(({ task }) => task).filter((id) => !isKnown(id))
    this.#urgent.clear()
    this.#soonAt = undefined
    if (all) this.#allAt = leases.length + ended.length > 0 ? after(now, LEASE_TIMES.renewMs) : undefined
    for (const [number, at] of this.#asked) if (now - at > ANSWER_MS_MAX) this.#asked.delete(number)
    const questions: Renew[] = []
    for (let at = 0; at < Math.max(leases.length, ended.length); at += RENEW_LEASES_MAX) {
      const number = ++this.#number
      this.#asked.set(number, now)
      const part = <Item>(items: readonly Item[]): Item[] => items.slice(at, at + RENEW_LEASES_MAX)
      questions.push({ type: 'renew', number, leases: part(leases), ended: part(ended), wanted: part(wanted) })
    }
    return questions
  }

  /** When the question that this answers left; `undefined`: it is of no use any more. */
  takeAskedAt(number: number): Instant | undefined {
    const at = this.#asked.get(number)
    this.#asked.delete(number)
    return at
  }

  /** More time has passed than the clock tells. */
  slept(ms: number): void {
    for (const [number, at] of this.#asked) this.#asked.set(number, instant(at - ms))
  }

  nextWake(): Instant | undefined {
    return earliest(this.#allAt, this.#soonAt)
  }
}
