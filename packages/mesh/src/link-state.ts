/**
 * What the hubs know of each other's links: every hub advertises its own, floods what is new to it, and computes
 * paths over all of them (after OSPF, RFC 2328, sections 12 and 13, with one area and no designated routers).
 *
 *  1. Of one origin the advert with the highest (incarnation, sequence) is valid.
 *  2. A link between hubs counts only if both ends advertise it; a site's uplink needs only its hub's word.
 *  3. A hub that cannot be reached over counted links is not a relay, whatever its last advert said.
 *  4. Own changes are advertised at once, but costs not more often than once a second and only if they moved by
 *     more than 10 % and 5 ms; everything is repeated every 30 s and forgotten after 100 s.
 */
import { type Advert, type AdvertisedLink, type Instant, type NodeId } from '@causeway/protocol'
import { type Graph, type GraphPath, disjointPaths } from './disjoint-paths.ts'

const REPEAT_MS = 30_000
const FORGET_MS = 100_000
const DAMPING_MS = 1_000
const MOVED_RATIO = 0.1
const MOVED_MS = 5
/** A link that has not been measured yet is usable, but the last choice. */
export const UNMEASURED_COST_MS = 1_000

interface Known {
  readonly advert: Advert
  readonly heardAt: Instant
}

export class LinkState implements Graph {
  readonly #self: NodeId
  readonly #known = new Map<NodeId, Known>()
  #own: Advert
  #ownAt: Instant
  #reachable = new Map<NodeId, Map<NodeId, number>>()
  #names = new Map<NodeId, string>()
  /** Counts changes that may change a path. */
  version = 0

  constructor(now: Instant, self: NodeId, name: string, incarnation: number) {
    this.#self = self
    this.#own = { origin: self, name, incarnation, sequence: 0, links: [] }
    this.#ownAt = now
    this.#known.set(self, { advert: this.#own, heardAt: now })
    this.#recompute()
  }

  /** Everything known, for a hub that has just linked with us. */
  all(): Advert[] {
    return [...this.#known.values()].map((known) => known.advert)
  }

  nameOf(id: NodeId): string | undefined {
    return this.#names.get(id)
  }

  /** The id of every node that some hub sees. */
  nodes(): Iterable<NodeId> {
    return this.#names.keys()
  }

  neighbours(from: NodeId): ReadonlyMap<NodeId, number> | undefined {
    return this.#reachable.get(from)
  }

  paths(from: NodeId, to: NodeId, count: number, hopsMax: number, avoid?: ReadonlySet<NodeId>): GraphPath[] {
    if (this.#reachable.has(from)) return disjointPaths(this, { from, to, count, hopsMax, ...(avoid && { avoid }) })
    // An edge as the start: its ways out are the hubs that see it.
    const attached: Graph = {
      neighbours: (node) => (node === from ? this.#hubsOf(from) : this.#reachable.get(node)),
    }
    return disjointPaths(attached, { from, to, count, hopsMax, ...(avoid && { avoid }) })
  }

  /** States our own links; returns the advert to flood if it says something new or is due again. */
  advertise(now: Instant, links: readonly AdvertisedLink[]): Advert | undefined {
    const moved = difference(this.#own.links, links)
    const age = now - this.#ownAt
    if (moved === 'none' && age < REPEAT_MS) return undefined
    if (moved === 'cost' && age < DAMPING_MS) return undefined
    this.#own = { ...this.#own, sequence: this.#own.sequence + 1, links }
    this.#ownAt = now
    this.#known.set(this.#self, { advert: this.#own, heardAt: now })
    if (moved !== 'none') this.#recompute()
    return this.#own
  }

  /** Takes what a neighbour floods; returns the adverts that were new to us, to be flooded on. */
  learn(now: Instant, adverts: readonly Advert[]): Advert[] {
    const news: Advert[] = []
    let changed = false
    for (const advert of adverts) {
      if (advert.origin === this.#self) continue
      const known = this.#known.get(advert.origin)
      if (known && !newer(advert, known.advert)) continue
      this.#known.set(advert.origin, { advert, heardAt: now })
      news.push(advert)
      changed ||= !known || difference(known.advert.links, advert.links) !== 'none'
    }
    if (changed) this.#recompute()
    return news
  }

  forgetOld(now: Instant): void {
    let changed = false
    for (const [origin, { heardAt }] of this.#known) {
      if (origin === this.#self || now - heardAt < FORGET_MS) continue
      this.#known.delete(origin)
      changed = true
    }
    if (changed) this.#recompute()
  }

  #hubsOf(edge: NodeId): ReadonlyMap<NodeId, number> {
    const hubs = new Map<NodeId, number>()
    for (const [hub, links] of this.#reachable) {
      const costMs = links.get(edge)
      if (costMs !== undefined) hubs.set(hub, costMs)
    }
    return hubs
  }

  #recompute(): void {
    this.version++
    this.#names = new Map()
    const links = new Map<NodeId, Map<NodeId, number>>()
    for (const { advert } of this.#known.values()) {
      this.#names.set(advert.origin, advert.name)
      links.set(advert.origin, new Map(advert.links.map((link) => [link.to, link.costMs])))
      for (const link of advert.links) this.#names.set(link.to, link.name)
    }
    for (const [hub, neighbours] of links) {
      for (const to of neighbours.keys()) if (links.has(to) && !links.get(to)?.has(hub)) neighbours.delete(to)
    }
    this.#reachable = new Map()
    const open: NodeId[] = [this.#self]
    for (let hub = open.pop(); hub !== undefined; hub = open.pop()) {
      const neighbours = links.get(hub)
      if (!neighbours || this.#reachable.has(hub)) continue
      this.#reachable.set(hub, neighbours)
      for (const to of neighbours.keys()) if (links.has(to)) open.push(to)
    }
  }
}

function newer(a: Advert, b: Advert): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.sequence > b.sequence)
}

/** Whether a cost has changed enough to be news: by 10 %, and by at least `leastMs`. */
export function costMoved(beforeMs: number, nowMs: number, leastMs: number = MOVED_MS): boolean {
  const by = Math.abs(nowMs - beforeMs)
  return by > leastMs && by > MOVED_RATIO * beforeMs
}

function difference(before: readonly AdvertisedLink[], now: readonly AdvertisedLink[]): 'none' | 'cost' | 'links' {
  const old = new Map(before.map((link) => [link.to, link]))
  if (old.size !== now.length) return 'links'
  let moved: 'none' | 'cost' = 'none'
  for (const link of now) {
    const known = old.get(link.to)
    if (!known) return 'links'
    if (costMoved(known.costMs, link.costMs)) moved = 'cost'
  }
  return moved
}
