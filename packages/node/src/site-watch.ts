/**
 * Who of the site is there, as one node sees it: its own links, and what its neighbours say of theirs. A node without a
 * link to us may only have a bad cable, so before it counts as lost its neighbours are believed: everybody tells all
 * others whom it hears, whenever that changes, which is the indirect probe of SWIM (Das and others, DSN 2002) answered
 * before it is asked; the time between `suspect` and `lost` is its suspicion, as in memberlist.
 *
 *  1. A node is alive if we, or a neighbour that we hear, have a live link with it.
 *  2. A node is lost when nobody has heard it for `CONFIRM_MS`: time for it to be heard another way, as it knows by then that
 *     it is alone. One that said it would stop is lost at once.
 *  3. We doubt ourselves first: if our own process stood still, what seemed lost then is suspect anew, and a reset says no
 *     more than silence, since peers reset what does not answer.
 *  4. Nothing is said of a node that was not seen since the start. At most `SITE_NODES_MAX - 1` are known; of those that are
 *     lost the oldest are forgotten first.
 */
import { type Ending, type Instant, type NodeId, SITE_NODES_MAX, type Sighting, after, earliest, instant } from '@causeway/protocol'
import { doubtMs } from './verdict.ts'

/** Silence is found within 1 s, and a crash should be known everywhere within 3 s. */
const CONFIRM_MS = 1_600
/** Lateness of our own event loop that makes us doubt. */
const LAG_MS = 250

interface Member {
  readonly name: string
  linked: boolean
  /** Whom it hears, as it says; of a neighbour only. */
  hears: ReadonlySet<NodeId>
  how: Ending
  /** Since when nobody hears it. */
  lostAt: Instant | undefined
  confirmAt: Instant
}

export class SiteWatch {
  readonly #members = new Map<NodeId, Member>()
  #doubtUntil: Instant = instant(Number.NEGATIVE_INFINITY)

  linkUp(now: Instant, id: NodeId, name: string): void {
    if (!this.#members.has(id) && !this.#hasRoom()) return
    this.#members.set(id, { name, linked: true, hears: new Set(), how: 'silent', lostAt: undefined, confirmAt: now })
    this.#review(now)
  }

  linkDown(now: Instant, id: NodeId, how: Ending): void {
    const member = this.#members.get(id)
    if (!member) return
    member.linked = false
    // It said good-bye before, or it is not to be believed what we saw while we stood still.
    if (member.how !== 'stopped') member.how = how === 'reset' && now < this.#doubtUntil ? 'silent' : how
    this.#review(now)
  }

  /** It is gone for good, unless we hear it. */
  forget(id: NodeId): void {
    if (this.#members.get(id)?.linked === false) this.#members.delete(id)
  }

  /** It will stop. */
  saidGoodbye(id: NodeId): void {
    const member = this.#members.get(id)
    if (member) member.how = 'stopped'
  }

  /** A neighbour says whom it hears. */
  told(now: Instant, id: NodeId, hears: readonly NodeId[]): void {
    const member = this.#members.get(id)
    if (!member) return
    member.hears = new Set(hears)
    this.#review(now)
  }

  /** Our event loop was late by this much. */
  lagged(now: Instant, lagMs: number): void {
    if (lagMs < LAG_MS) return
    this.#doubtUntil = after(now, doubtMs(lagMs))
    const stoodStillAt = now - lagMs - LAG_MS
    for (const member of this.#members.values()) {
      if (member.lostAt === undefined || member.how === 'stopped' || this.#state(now, member) === 'lost') continue
      member.confirmAt = this.#doubtUntil
      if (member.how === 'reset' && member.lostAt >= stoodStillAt) member.how = 'silent'
    }
  }

  /** Neighbours, as they are told to neighbours. */
  hears(): NodeId[] {
    return [...this.#members].flatMap(([id, { linked }]) => (linked ? [id] : []))
  }

  knows(id: NodeId): boolean {
    return this.#members.has(id)
  }

  /** Of every other node of the site that is known, by name. */
  sightings(now: Instant): Sighting[] {
    const seen = [...this.#members.values()].map((member): Sighting => {
      const { name: node, how, lostAt } = member
      if (lostAt === undefined) return { node, state: 'alive', how: null, forMs: 0 }
      return { node, state: this.#state(now, member), how, forMs: now - lostAt }
    })
    return seen.sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  /** When somebody who is suspect will be lost. */
  nextWake(now: Instant): Instant | undefined {
    let next: Instant | undefined
    for (const member of this.#members.values()) {
      if (member.lostAt !== undefined && this.#state(now, member) === 'suspect') next = earliest(next, member.confirmAt)
    }
    return next
  }

  #state(now: Instant, { how, confirmAt }: Member): 'suspect' | 'lost' {
    return how === 'stopped' || now >= confirmAt ? 'lost' : 'suspect'
  }

  /** Who has become lost to everybody, and who is heard again. */
  #review(now: Instant): void {
    const heard = new Set<NodeId>()
    for (const [id, { linked, hears }] of this.#members) {
      if (!linked) continue
      heard.add(id)
      for (const other of hears) heard.add(other)
    }
    for (const [id, member] of this.#members) {
      if (heard.has(id)) {
        member.lostAt = undefined
      } else if (member.lostAt === undefined) {
        member.lostAt = now
        member.confirmAt = after(now < this.#doubtUntil ? this.#doubtUntil : now, CONFIRM_MS)
      }
    }
  }

  #hasRoom(): boolean {
    if (this.#members.size < SITE_NODES_MAX - 1) return true
    let oldest: NodeId | undefined
    for (const [id, { lostAt }] of this.#members) {
      const before = oldest === undefined ? undefined : this.#members.get(oldest)?.lostAt
      if (lostAt !== undefined && (before === undefined || lostAt < before)) oldest = id
    }
    return oldest !== undefined && this.#members.delete(oldest)
  }
}
