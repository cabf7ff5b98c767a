/**
 * The verdicts of a hub on all nodes of all sites: gathers who is attached where and what witnesses say, judges a site
 * anew when any of that changes, and says what is different then. Every hub does so by itself, from the same facts.
 *
 *  1. A site is judged when something of it has changed, and once a second until it has been at rest for a while.
 *  2. While our own process stands still, or has just done so, nobody's verdict becomes worse.
 *  3. A node belongs to the site in whose name it is linked with a hub, which has seen its credential; else to the first that
 *     mentioned it. What other sites say of it is not heard.
 *  4. What a hub has not heard since its start it takes from the records, for as long as a start takes.
 */
import { type Instant, type NodeId, type Testimony, type Verdict, after, earliest, instant, nodeId } from '@causeway/protocol'
import type { LinkState } from '@causeway/mesh'
import { type NodeVerdict, doubtMs, gistOf } from '@causeway/node'
import { type SiteFacts, judgeSite } from './site-judge.ts'
import { type Said, Testimonies } from './testimonies.ts'

/** News of many nodes come in a heap: so long passes between two judgements. */
const SPACING_MS = 50
const LOOK_MS = 1_000
const REST_MS = 15_000
/** Links to hubs and sites come up within this time after the start. */
const START_MS = 15_000
/** A node that has just started takes itself for the gateway until it finds its neighbours. */
const SPLIT_MS = 3_000
const LAG_MS = 250
const SPLIT_REASON =
  'they do not hear each other, and each speaks for the site: let TCP through between them; each needs a fixed port in listen.tcp, and an address that the other reaches'

export interface VerdictsOptions {
  readonly self: string
  readonly linkState: LinkState
  /** When nodes last told vitals, by name. */
  readonly vitals: (now: Instant) => ReadonlyMap<string, Instant>
  /** Sites on which something has been published. */
  readonly publishedSites: () => readonly { readonly region: string; readonly site: string }[]
  /** Gone for good, whatever is said of it. */
  readonly isRevoked: (node: string) => boolean
  /** What had been published of a site before this hub knew it. */
  readonly published: (region: string, site: string) => readonly NodeVerdict[]
  readonly report: (name: string, data: Record<string, string | number>) => void
}

interface Site {
  readonly site: string
  readonly region: string
  attached: SiteFacts['attached']
  /** Since when it is heard, or is not. */
  since: Instant
  nodes: ReadonlyMap<string, NodeVerdict>
  /** Until then it is looked at every second. */
  uneasyUntil: Instant
  /** Since when two gateways do not hear each other; `told`: of a split, and not yet of its end. */
  splitSince: Instant | undefined
  splitTold: boolean
}

export class Verdicts {
  readonly testimonies: Testimonies = new Testimonies()
  readonly #options: VerdictsOptions
  readonly #startedAt: Instant
  readonly #sites = new Map<string, Site>()
  readonly #regions = new Map<string, string>()
  readonly #siteOf = new Map<string, string>()
  /** Node → its site: gone for good, and not to be spoken of unless it lives. */
  readonly #gone = new Map<string, string>()
  readonly #dirty = new Set<string>()
  #attached = new Map<string, Map<string, { hubs: string[]; since: Instant }>>()
  #version = -1
  #recalled = false
  #judgeAt: Instant | undefined
  #lookAt: Instant
  #judgedAt: Instant
  #doubtUntil: Instant = instant(Number.NEGATIVE_INFINITY)

  constructor(now: Instant, options: VerdictsOptions) {
    this.#options = options
    this.#startedAt = now
    this.#judgedAt = instant(Number.NEGATIVE_INFINITY)
    this.#lookAt = after(now, LOOK_MS)
  }

  // ---- what is known

  of(node: string): Verdict | undefined {
    const site = this.#siteOf.get(node)
    return site === undefined ? undefined : this.#sites.get(site)?.nodes.get(node)?.verdict
  }

  all(): NodeVerdict[] {
    return [...this.#sites.values()].flatMap(({ nodes }) => [...nodes.values()])
  }

  /** What is concluded of each site that has been judged. */
  sites(): { readonly site: string; readonly region: string; readonly nodes: Iterable<NodeVerdict>; readonly gone: readonly string[] }[] {
    const gone = Map.groupBy(this.#gone.keys(), (node) => this.#gone.get(node))
    return [...this.#sites.values()].map(({ site, region, nodes }) => ({
      ...{ site, region, nodes: nodes.values() },
      gone: (gone.get(site) ?? []).filter((node) => !nodes.has(node)),
    }))
  }

  // ---- what happens

  /** True if it is news. */
  learn(now: Instant, testimony: Testimony): boolean {
    const { site, region } = testimony
    if (!this.testimonies.learn(now, testimony)) return false
    this.locate(site, region)
    this.#mark(now, site)
    return true
  }

  locate(site: string, region: string): void {
    if (!this.#regions.has(site)) this.#regions.set(site, region)
  }

  /** It is gone for good, as far as its records tell. */
  forget(now: Instant, node: string, site: string | undefined = this.#siteOf.get(node)): void {
    if (site === undefined) return
    this.#gone.set(node, site)
    this.#mark(now, site)
  }

  /** Our event loop was late by this much. */
  lagged(now: Instant, lagMs: number): void {
    if (lagMs >= LAG_MS) this.#doubtUntil = after(now, doubtMs(lagMs))
  }

  /** Judges what is due. True if anything is different then. */
  decide(now: Instant, wallOffsetMs: number): boolean {
    if (this.#version !== this.#options.linkState.version) this.#seeWhoIsAttached(now)
    if (now >= this.#lookAt) {
      this.#lookAt = after(now, LOOK_MS)
      for (const [site, { uneasyUntil }] of this.#sites) if (now < uneasyUntil) this.#mark(now, site)
      if (!this.#recalled && now >= after(this.#startedAt, START_MS)) this.#recall(now)
      this.testimonies.forgetOld(now, (site, witness) => this.#attached.get(site)?.has(witness) === true)
    }
    if (this.#judgeAt === undefined || now < this.#judgeAt) return false
    this.#judgeAt = undefined
    this.#judgedAt = now
    const vitals: { times?: ReadonlyMap<string, Instant> } = {}
    const vitalAt = (node: string): Instant | undefined => (vitals.times ??= this.#options.vitals(now)).get(node)
    const due = [...this.#dirty]
    this.#dirty.clear()
    // No short cut: each has to be judged.
    return due.map((site) => this.#judge(now, site, { vitalAt, wallOffsetMs })).includes(true)
  }

  nextWake(): Instant | undefined {
    return earliest(this.#judgeAt, this.#lookAt)
  }

  // ---- inside

  /** Judges sites of which nothing but records has been heard since the start. */
  #recall(now: Instant): void {
    this.#recalled = true
    for (const { region, site } of this.#options.publishedSites()) {
      if (this.#sites.has(site)) continue
      this.locate(site, region)
      this.#mark(now, site)
    }
  }

  #mark(now: Instant, site: string): void {
    this.#dirty.add(site)
    this.#judgeAt = earliest(this.#judgeAt, instant(Math.max(now, after(this.#judgedAt, SPACING_MS))))
  }

  #seeWhoIsAttached(now: Instant): void {
    const { linkState } = this.#options
    this.#version = linkState.version
    const before = this.#attached
    this.#attached = new Map()
    const nameOf = (id: NodeId): string => linkState.nameOf(id) ?? `#${id.toString(16)}`
    for (const { hub, link } of linkState.edges()) {
      this.#siteOf.set(link.name, link.site)
      const site = this.#attached.get(link.site) ?? new Map<string, { hubs: string[]; since: Instant }>()
      this.#attached.set(link.site, site)
      const node = site.get(link.name)
      if (node) node.hubs.push(nameOf(hub))
      else site.set(link.name, { hubs: [nameOf(hub)], since: before.get(link.site)?.get(link.name)?.since ?? now })
    }
    for (const [site, nodes] of before) if (!isSameAttachment(nodes, this.#attached.get(site))) this.#mark(now, site)
    for (const site of this.#attached.keys()) if (!before.has(site)) this.#mark(now, site)
  }

  #judge(now: Instant, name: string, given: Pick<SiteFacts, 'vitalAt' | 'wallOffsetMs'>): boolean {
    const region = this.#regions.get(name)
    if (region === undefined) return false
    const attached: SiteFacts['attached'] = this.#attached.get(name) ?? new Map()
    const site = this.#sites.get(name) ?? this.#begin(now, name, region)
    if ((site.attached.size === 0) !== (attached.size === 0)) site.since = now
    site.attached = attached
    const { since } = site
    for (const node of site.nodes.keys()) if (this.#options.isRevoked(node)) this.#gone.set(node, name)
    const before = new Map([...site.nodes].filter(([node]) => this.#belongs(node, name) && !this.#gone.has(node)))
    const said = [...this.testimonies.of(name)].map(({ testimony, at }) => {
      const seen = testimony.seen.filter(({ node, state }) => this.#belongs(node, name) && (state === 'alive' || !this.#gone.has(node)))
      return { testimony: { ...testimony, seen }, at }
    })
    const facts = { ...given, site: name, region, attached, since, before, said, doubt: this.#ownDoubt(), self: this.#options.self }
    const nodes = judgeSite(now, facts).map((verdict) => this.#held(now, site, verdict) ?? verdict)
    for (const { node } of nodes) this.#gone.delete(node)
    const changed = nodes.filter((verdict) => gistOf(verdict) !== gistOf(before.get(verdict.node)))
    site.nodes = new Map(nodes.map((verdict) => [verdict.node, verdict]))
    for (const node of before.keys()) if (!site.nodes.has(node)) this.#siteOf.delete(node)
    for (const node of site.nodes.keys()) this.#siteOf.set(node, name)
    // Whom nobody is linked with or hears lives by its vitals, which grow old without anybody saying so.
    const isSeen = (node: string): boolean => attached.has(node) || said.some((each) => hears(each, node))
    const isAtEase = ({ node, verdict }: NodeVerdict): boolean => verdict === 'alive' && isSeen(node)
    const atRest = changed.length === 0 && (attached.size === 0 || nodes.every(isAtEase))
    if (!atRest) site.uneasyUntil = after(now, REST_MS)
    for (const verdict of changed) this.#tell(verdict, before.get(verdict.node))
    this.#tellSplit(now, site, said)
    return changed.length > 0
  }

  /** Invariant 3. */
  #belongs(node: string, site: string): boolean {
    return (this.#siteOf.get(node) ?? site) === site
  }

  /** Invariants 2 and 4: what stays as it was for now. */
  #held(now: Instant, site: Site, verdict: NodeVerdict): NodeVerdict | undefined {
    const was = site.nodes.get(verdict.node)
    if (was?.verdict !== 'alive' || verdict.verdict === 'alive') return undefined
    const starting = site.attached.size === 0 && now < after(this.#startedAt, START_MS)
    if (now >= this.#doubtUntil && !starting) return undefined
    site.uneasyUntil = after(now, REST_MS)
    return was
  }

  #begin(now: Instant, site: string, region: string): Site {
    const nodes = new Map(this.#options.published(region, site).map((verdict) => [verdict.node, verdict]))
    const begun = { site, region, attached: new Map(), since: now, nodes, uneasyUntil: now, splitSince: undefined, splitTold: false }
    this.#sites.set(site, begun)
    return begun
  }

  /** A hub that has lost all others sees only its own corner. */
  #ownDoubt(): string | undefined {
    const others = this.#options.linkState.hubs().filter(({ id }) => id !== nodeId(this.#options.self))
    return others.length > 0 && !others.some(({ reachable }) => reachable) ? 'is itself cut off from all other hubs' : undefined
  }

  #tell({ node, site, verdict, evidence }: NodeVerdict, was: NodeVerdict | undefined): void {
    if (was === undefined || was.verdict === verdict) return
    const [first] = evidence
    this.#options.report('verdict-changed', { node, site, verdict, was: was.verdict, evidence: first ? `${first.by}: ${first.saw}` : '' })
  }

  /** Two gateways that do not hear each other. */
  #tellSplit(now: Instant, site: Site, said: readonly Said[]): void {
    const claimants = said.flatMap(({ testimony }) => (testimony.gateway && site.attached.has(testimony.witness) ? [testimony] : []))
    const hears = (a: Testimony, b: Testimony): boolean => a.seen.some(({ node, state }) => node === b.witness && state === 'alive')
    const split = claimants.some((a) => claimants.some((b) => a !== b && !hears(a, b) && !hears(b, a)))
    site.splitSince = split ? (site.splitSince ?? now) : undefined
    const tells = site.splitTold ? claimants.length === 1 : site.splitSince !== undefined && now >= after(site.splitSince, SPLIT_MS)
    if (!tells) return
    site.splitTold = split
    const gateways = claimants.map(({ witness }) => witness).sort()
    const facts = { site: site.site, gateways: gateways.join() }
    if (split) this.#options.report('site-split', { ...facts, reason: SPLIT_REASON })
    else this.#options.report('site-merged', facts)
  }
}

function hears({ testimony: { seen } }: Said, node: string): boolean {
  return seen.some((sighting) => sighting.node === node && sighting.state === 'alive')
}

function isSameAttachment(one: SiteFacts['attached'], other: SiteFacts['attached'] | undefined): boolean {
  if (one.size !== other?.size) return false
  for (const [node, { hubs }] of one) {
    const others = other.get(node)?.hubs
    if (others?.length !== hubs.length || hubs.some((hub, at) => hub !== others[at])) return false
  }
  return true
}
