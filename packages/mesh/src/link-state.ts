/**
 * What the hubs know of each other's links: every hub advertises its own, floods what is new to it, and computes
 * paths over all of them (after OSPF, RFC 2328, sections 12 and 13, with one area and no designated routers). What a
 * flood has missed, neighbours find by comparing digests now and then (Demers and others, "Epidemic algorithms for
 * replicated database maintenance", PODC 1987).
 *
 *  1. Of one origin the advert with the highest (incarnation, sequence) is valid.
 *  2. A link between hubs counts only if both ends advertise it; a site's uplink needs only its hub's word, and a node
 *     behind a gateway only the gateway's.
 *  3. A hub that cannot be reached over counted links is not a relay, whatever its last advert said.
 *  4. Own changes are advertised at once, but costs not more often than once a second and only if they moved by
 *     more than 10 % and 5 ms; everything is repeated every 2 min, and forgotten 7 min after its origin said it, however
 *     many hands it has gone through.
 */
import { type Advert, type AdvertVersion, type AdvertisedLink, type Instant, type NodeId, instant } from '@causeway/protocol'
import { type Graph, type GraphPath, disjointPaths } from './disjoint-paths.ts'

const REPEAT_MS = 120_000
const FORGET_MS = 420_000
const DAMPING_MS = 1_000
const MOVED_RATIO = 0.1
const MOVED_MS = 5
/** A link that has not been measured yet is usable, but the last choice. */
export const UNMEASURED_COST_MS = 1_000
const NONE: ReadonlyMap<NodeId, number> = new Map()

interface Known {
  readonly advert: Advert
  /** When its origin said it, by our clock. */
  readonly saidAt: Instant
}

export interface LinkStateOrigin {
  readonly self: NodeId
  readonly name: string
  readonly incarnation: number
  readonly domains: readonly string[]
}

export class LinkState {
  readonly #self: NodeId
  readonly #known = new Map<NodeId, Known>()
  #own: Advert
  #ownAt: Instant
  /** Links of reachable hubs, those to other hubs only if they count. */
  #links = new Map<NodeId, ReadonlyMap<NodeId, AdvertisedLink>>()
  /** The same between hubs alone. */
  #hubs = new Map<NodeId, ReadonlyMap<NodeId, number>>()
  /** Edge → the hubs that see it → cost from the edge to the hub. */
  #uplinks = new Map<NodeId, Map<NodeId, number>>()
  /** Node without uplinks → its gateways → cost of the step between. */
  #gateways = new Map<NodeId, Map<NodeId, number>>()
  #names = new Map<NodeId, string>()
  /** Counts changes that may change a path. */
  version = 0

  constructor(now: Instant, { self, ...origin }: LinkStateOrigin) {
    this.#self = self
    this.#own = { ...origin, origin: self, sequence: 0, ageMs: 0, draining: false, links: [] }
    this.#ownAt = now
    this.#known.set(self, { advert: this.#own, saidAt: now })
    this.#recompute()
  }

  // ---- flooding

  /** Everything known, for a hub that has just linked with us. */
  all(now: Instant): Advert[] {
    return [...this.#known.values()].map((known) => aged(now, known))
  }

  /** States our own links; returns the advert to flood if it says something new or is due again. */
  advertise(now: Instant, links: readonly AdvertisedLink[], draining = false): Advert | undefined {
    const moved = draining === this.#own.draining ? difference(this.#own.links, links) : 'links'
    const age = now - this.#ownAt
    if (moved === 'none' && age < REPEAT_MS) return undefined
    if (moved === 'cost' && age < DAMPING_MS) return undefined
    this.#own = { ...this.#own, sequence: this.#own.sequence + 1, draining, links }
    this.#ownAt = now
    this.#known.set(this.#self, { advert: this.#own, saidAt: now })
    if (moved !== 'none') this.#recompute()
    return this.#own
  }

  /** Takes what a neighbour floods; returns the adverts that were new to us, to be flooded on. */
  learn(now: Instant, adverts: readonly Advert[]): Advert[] {
    const news: Advert[] = []
    let changed = false
    for (const advert of adverts) {
      if (advert.origin === this.#self) {
        if (newer(advert, this.#own)) this.#outbid(advert)
        continue
      }
      const known = this.#known.get(advert.origin)
      if (advert.ageMs >= FORGET_MS || (known && !newer(advert, known.advert))) continue
      this.#known.set(advert.origin, { advert, saidAt: instant(now - advert.ageMs) })
      news.push(advert)
      changed ||= !known || known.advert.draining !== advert.draining || difference(known.advert.links, advert.links) !== 'none'
    }
    if (changed) this.#recompute()
    return news
  }

  /** An earlier life of ours, of which we know nothing, has said more than we have: only what comes after counts. */
  #outbid({ incarnation, sequence }: Advert): void {
    this.#own = { ...this.#own, incarnation, sequence }
    this.#ownAt = instant(this.#ownAt - REPEAT_MS)
  }

  forgetOld(now: Instant): void {
    let changed = false
    for (const [origin, { saidAt }] of this.#known) {
      if (origin === this.#self || now - saidAt < FORGET_MS) continue
      this.#known.delete(origin)
      changed = true
    }
    if (changed) this.#recompute()
  }

  // ---- anti-entropy

  digest(): AdvertVersion[] {
    return [...this.#known.values()].map(({ advert: { origin, incarnation, sequence } }) => ({ origin, incarnation, sequence }))
  }

  /** What the sender of a digest lacks, and whether it has something that we lack. */
  compare(now: Instant, digest: readonly AdvertVersion[]): { readonly missing: Advert[]; readonly behind: boolean } {
    const theirs = new Map(digest.map((version) => [version.origin, version]))
    const missing = [...this.#known.values()].filter(({ advert }) => {
      const version = theirs.get(advert.origin)
      return !version || newer(advert, version)
    })
    const behind = digest.some((version) => {
      const ours = this.#known.get(version.origin)
      return !ours || newer(version, ours.advert)
    })
    return { missing: missing.map((known) => aged(now, known)), behind }
  }

  // ---- what is known

  nameOf(id: NodeId): string | undefined {
    return this.#names.get(id)
  }

  /** Every hub that ever advertised and is not forgotten, with what stands against planning through it. */
  hubs(): { readonly id: NodeId; readonly reachable: boolean; readonly draining: boolean }[] {
    return [...this.#known.values()].map(({ advert }) => ({
      id: advert.origin,
      reachable: this.#links.has(advert.origin),
      draining: advert.draining,
    }))
  }

  /** Every edge node that a reachable hub is linked with, once for each such hub. */
  edges(): { readonly hub: NodeId; readonly link: AdvertisedLink }[] {
    return [...this.#links].flatMap(([hub, links]) => [...links.values()].flatMap((link) => (link.role === 'edge' ? [{ hub, link }] : [])))
  }

  /** Whether `to` stands behind a gateway, and no hub sees it. */
  isBehind(to: NodeId): boolean {
    return !this.#uplinks.has(to) && this.#gateways.has(to)
  }

  /** Whether a hub that can be reached has a link with the node, or its gateway has. */
  sees(node: NodeId): boolean {
    return this.#hubs.has(node) || this.#uplinks.has(node) || this.#gateways.has(node)
  }

  /** Cost of a step, `undefined` if there is no such link. */
  cost(from: NodeId, to: NodeId): number | undefined {
    return (
      this.#links.get(from)?.get(to)?.costMs ??
      this.#uplinks.get(from)?.get(to) ??
      this.#gateways.get(to)?.get(from) ??
      this.#gateways.get(from)?.get(to)
    )
  }

  /** Whether a link of that way loses more than it should. */
  impaired(from: NodeId, route: readonly NodeId[]): boolean {
    return route.some((to, index) => {
      const at = route[index - 1] ?? from
      return (this.#links.get(at)?.get(to) ?? this.#links.get(to)?.get(at))?.impaired === true
    })
  }

  // ---- paths

  paths(from: NodeId, to: NodeId, count: number, hopsMax: number, avoid?: ReadonlySet<NodeId>): GraphPath[] {
    return disjointPaths(this.graph(from, to), { from, to, count, hopsMax, ...(avoid && { avoid }) })
  }

  /**
   * All ways between two nodes. An edge leaves over the hubs that see it; a node behind gateways over these, which
   * hand on nothing else: between two hubs no gateway is a relay.
   */
  graph(from: NodeId, to: NodeId): Graph {
    const first = this.isBehind(from) ? (this.#gateways.get(from) ?? NONE) : NONE
    const last = this.isBehind(to) ? (this.#gateways.get(to) ?? NONE) : NONE
    const widened = new Map<NodeId, ReadonlyMap<NodeId, number>>()
    const hubRelays = (hub: NodeId): ReadonlyMap<NodeId, number> => {
      const hubs = this.#hubs.get(hub) ?? NONE
      if (last.size === 0) return hubs
      const known = widened.get(hub)
      if (known) return known
      const relays = new Map(hubs)
      for (const gateway of last.keys()) {
        const costMs = this.#links.get(hub)?.get(gateway)?.costMs
        if (costMs !== undefined) relays.set(gateway, costMs)
      }
      widened.set(hub, relays)
      return relays
    }
    return {
      cost: (one, other) => this.cost(one, other),
      relays: (relay) => {
        if (this.#hubs.has(relay)) return hubRelays(relay)
        if (relay === from && first.size > 0) return first
        return relay === from || first.has(relay) ? this.#uplinks.get(relay) : undefined
      },
      draining: (relay) => this.#known.get(relay)?.advert.draining === true,
      domains: (relay) => this.domainsOf(relay),
    }
  }

  domainsOf(id: NodeId): readonly string[] {
    const own = this.#known.get(id)?.advert.domains
    if (own) return own
    for (const hub of this.#uplinks.get(id)?.keys() ?? []) return this.#links.get(hub)?.get(id)?.domains ?? []
    return []
  }

  #recompute(): void {
    this.version++
    this.#names = new Map()
    for (const { advert } of this.#known.values()) {
      this.#names.set(advert.origin, advert.name)
      for (const link of advert.links) {
        this.#names.set(link.to, link.name)
        for (const { id, name } of link.behind) if (!this.#names.has(id)) this.#names.set(id, name)
      }
    }
    this.#links = this.#reachable()
    this.#hubs = new Map()
    this.#uplinks = new Map()
    this.#gateways = new Map()
    for (const [hub, links] of this.#links) {
      this.#hubs.set(hub, new Map([...links].flatMap(([to, { costMs }]) => (this.#links.has(to) ? [[to, costMs] as const] : []))))
      for (const [to, { costBackMs, behind }] of links) {
        if (this.#links.has(to)) continue
        put(this.#uplinks, to, hub, costBackMs)
        for (const { id, costMs } of behind) put(this.#gateways, id, to, costMs)
      }
    }
  }

  /** The hubs that can be reached from here over links that count, with their links. */
  #reachable(): Map<NodeId, ReadonlyMap<NodeId, AdvertisedLink>> {
    const stated = new Map([...this.#known].map(([hub, { advert }]) => [hub, new Map(advert.links.map((link) => [link.to, link]))]))
    const reachable = new Map<NodeId, ReadonlyMap<NodeId, AdvertisedLink>>()
    const open: NodeId[] = [this.#self]
    for (let hub = open.pop(); hub !== undefined; hub = open.pop()) {
      const links = stated.get(hub)
      if (!links || reachable.has(hub)) continue
      for (const to of links.keys()) {
        const theirs = stated.get(to)
        if (!theirs) continue
        if (theirs.has(hub)) open.push(to)
        else links.delete(to)
      }
      reachable.set(hub, links)
    }
    return reachable
  }
}

function put(map: Map<NodeId, Map<NodeId, number>>, key: NodeId, to: NodeId, costMs: number): void {
  const known = map.get(key)
  if (known) known.set(to, costMs)
  else map.set(key, new Map([[to, costMs]]))
}

function aged(now: Instant, { advert, saidAt }: Known): Advert {
  return { ...advert, ageMs: Math.max(0, now - saidAt) }
}

function newer(a: AdvertVersion, b: AdvertVersion): boolean {
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
    if (!known || known.impaired !== link.impaired || known.domains.join() !== link.domains.join()) return 'links'
    if (known.behind.map(({ id }) => id).join() !== link.behind.map(({ id }) => id).join()) return 'links'
    if (costMoved(known.costMs, link.costMs) || costMoved(known.costBackMs, link.costBackMs)) moved = 'cost'
  }
  return moved
}
