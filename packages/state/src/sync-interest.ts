/**
 * What this node asks its peers for: what it wants itself, and what everybody below it wants. What nobody wants any more is asked
 * for a while longer: sessions come and go, and each change costs a round of heads all the way up. Who is revoked everybody wants
 * to know.
 *
 *  1. Whatever is held because of an interest is kept up to date as long as that is asked for.
 */
import { type Instant, after, earliest } from '@causeway/protocol'
import { Interest } from './interest.ts'
import { REVOCATIONS_PATTERN } from './revocations.ts'

export class WantedInterest {
  readonly #keepMs: number
  #own: readonly string[]
  #current: Interest
  #id = 1
  /** Patterns that nobody wants any more, and until when they are asked for. */
  readonly #left = new Map<string, Instant>()

  constructor(own: readonly string[], keepMs: number) {
    this.#own = [...own, REVOCATIONS_PATTERN]
    this.#keepMs = keepMs
    this.#current = new Interest(this.#own)
  }

  get current(): Interest {
    return this.#current
  }

  /** Counts up with every change. */
  get id(): number {
    return this.#id
  }

  has(collection: string, partition: string): boolean {
    return this.#current.matches(collection, partition)
  }

  setOwn(patterns: readonly string[]): void {
    this.#own = [...patterns, REVOCATIONS_PATTERN]
  }

  /** When something that nobody wants is asked for no longer. */
  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const until of this.#left.values()) next = earliest(next, until)
    return next
  }

  /** Returns whether that changes what is asked for. */
  revise(now: Instant, below: Iterable<Interest>): boolean {
    const wanted = new Set(this.#own)
    for (const { patterns } of below) for (const pattern of patterns) wanted.add(pattern)
    for (const pattern of wanted) this.#left.delete(pattern)
    for (const pattern of this.#current.patterns) {
      if (wanted.has(pattern)) continue
      const until = this.#left.get(pattern) ?? after(now, this.#keepMs)
      if (until > now) {
        this.#left.set(pattern, until)
        wanted.add(pattern)
      } else this.#left.delete(pattern)
    }
    const next = new Interest(wanted)
    if (next.equals(this.#current)) return false
    this.#current = next
    this.#id += 1
    return true
  }
}
