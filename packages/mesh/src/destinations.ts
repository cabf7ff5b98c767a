/**
 * The nodes that this one sends to, with the paths to each: wanted from the first question on, kept while a channel leads
 * there, forgotten when nobody has asked for half a minute.
 *
 *  1. Every change of the path in use is reported with its reason; when very many change at once, most are only counted.
 */
import { type Instant, type NodeId, type PathView, type PathsView, type PlannedPath, type ReportEffect, instant } from '@causeway/protocol'
import type { LinkTable } from './link-table.ts'
import { MoveBudget } from './move-budget.ts'
import type { Path } from './path.ts'
import { type FirstHops, PathSet } from './path-set.ts'

/** A destination that nobody has asked about for so long needs no plan. */
const INTEREST_MS = 30_000
const REPORTS_PER_SECOND_MAX = 16

export type DestinationsEffect = ReportEffect | { readonly type: 'planWanted' | 'planUnwanted'; readonly to: NodeId }

export interface DestinationsConfig {
  readonly self: NodeId
  readonly site: string
  readonly links: LinkTable
  readonly nameOf: (id: NodeId) => string
  readonly emit: (effect: DestinationsEffect) => void
}

interface Destination {
  readonly paths: PathSet
  askedAt: Instant
}

export class Destinations implements FirstHops {
  readonly #config: DestinationsConfig
  readonly #known = new Map<NodeId, Destination>()
  readonly #draining = new Set<NodeId>()
  readonly #budget = new MoveBudget()
  /** While all are looked at, so that links are sorted once. */
  #ways: readonly NodeId[] | undefined
  #reportsSince: Instant = instant(0)
  #reports = 0
  #now: Instant

  constructor(now: Instant, config: DestinationsConfig) {
    this.#config = config
    this.#now = now
  }

  // ---- FirstHops

  costTo(neighbour: NodeId): number | null | undefined {
    const link = this.#config.links.get(neighbour)
    return link?.up ? link.costMs : undefined
  }

  impaired(neighbour: NodeId): boolean {
    return this.#config.links.get(neighbour)?.impaired === true
  }

  /** Hubs, those that drain last; without any hub the nodes of our site, one of which may be a gateway. */
  ways(): readonly NodeId[] {
    if (this.#ways) return this.#ways
    const { links, site } = this.#config
    const hubs = links.live('hub')
    const ways = hubs.length > 0 ? hubs : links.live('edge').filter((link) => link.peer.credential.site === site)
    return ways.map((link) => link.peer.id).toSorted((a, b) => Number(this.#draining.has(a)) - Number(this.#draining.has(b)))
  }

  mayMove(now: Instant): boolean {
    return this.#budget.take(now, this.#known.size)
  }

  // ---- what is known

  /** The paths to a node. Asking makes the node look for some. */
  to(now: Instant, to: NodeId): PathSet {
    this.#now = now
    const known = this.#known.get(to)
    if (known) {
      known.askedAt = now
      return known.paths
    }
    const { self, emit } = this.#config
    const paths = new PathSet(to, { from: self, onMove: (from, path, reason) => this.#report(from, path, reason) })
    paths.refresh(now, this)
    this.#known.set(to, { paths, askedAt: now })
    emit({ type: 'planWanted', to })
    return paths
  }

  keys(): Iterable<NodeId> {
    return this.#known.keys()
  }

  view(now: Instant, to: NodeId): PathsView {
    const set = this.to(now, to)
    const { nameOf } = this.#config
    const view = (path: Path): PathView => ({
      hops: path.route.map((id) => nameOf(id)),
      costMs: path.costMs,
      state: path.up ? (path.suspect || path.isUnproven ? 'suspect' : 'up') : 'down',
      active: path === set.active && !path.isUnproven,
    })
    return { to: nameOf(to), paths: set.paths.map(view) }
  }

  explain(now: Instant, to: NodeId): string {
    return this.to(now, to).explain()
  }

  isDraining(hub: NodeId): boolean {
    return this.#draining.has(hub)
  }

  // ---- what happens

  setDraining(hub: NodeId, draining: boolean): void {
    if (draining) this.#draining.add(hub)
    else this.#draining.delete(hub)
  }

  /** False if nobody wants that plan any more. */
  plan(now: Instant, to: NodeId, planned: readonly PlannedPath[]): boolean {
    this.#now = now
    const known = this.#known.get(to)
    known?.paths.plan(now, planned, this)
    return known !== undefined
  }

  /** Own links have changed. */
  refresh(now: Instant): void {
    this.#now = now
    this.#ways = this.ways()
    for (const { paths } of this.#known.values()) paths.refresh(now, this)
    this.#ways = undefined
  }

  /** Forgets what nobody uses, and lets costs, which move all the time, count anew. */
  tidy(now: Instant, used: (to: NodeId) => boolean): void {
    for (const [to, { askedAt }] of this.#known) {
      if (used(to) || now - askedAt < INTEREST_MS) continue
      this.#known.delete(to)
      this.#config.emit({ type: 'planUnwanted', to })
    }
    this.refresh(now)
  }

  #report(from: Path, path: Path, reason: string): void {
    if (this.#now - this.#reportsSince >= 1_000) {
      const more = this.#reports - REPORTS_PER_SECOND_MAX
      if (more > 0) this.#config.emit({ type: 'event', name: 'paths-changed', data: { more } })
      this.#reportsSince = this.#now
      this.#reports = 0
    }
    if (++this.#reports > REPORTS_PER_SECOND_MAX) return
    const { nameOf, emit } = this.#config
    const hops = ({ route }: Path): string => route.map((id) => nameOf(id)).join('>')
    const to = nameOf(path.route.at(-1) as NodeId)
    emit({ type: 'event', name: 'path-changed', data: { to, from: hops(from), path: hops(path), reason } })
  }
}
