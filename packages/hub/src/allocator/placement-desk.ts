/** Placement with what this hub knows: the pool, vitals, verdicts, and the costs of ways. */
import type { Instant, TaskRecord, TaskWhyView, Verdict, VitalValues } from '@causeway/protocol'
import type { TaskParts } from '@causeway/node'
import { type PlacementQuery, type PoolNode, couldRun, rank } from './placement.ts'
import { Pool } from './pool.ts'

const SHOWN_MAX = 100
/** What was found out of vitals and ways is good for so long: many tasks come at once. */
const MEMORY_MS = 1_000

export interface PlacementSources {
  readonly verdict: (now: Instant, node: string) => Verdict
  /** What every node last told of itself. */
  readonly vitals: (now: Instant) => ReadonlyMap<string, VitalValues>
  /** The cheapest way from some node of the site to the node, ms, one way. */
  readonly costMs: (site: string, node: string) => number | null
  /** A site that was ever heard of. */
  readonly knowsSite: (now: Instant, site: string) => boolean
}

interface Conditions {
  readonly to: string | null
  readonly not: string | null
}

export class Placement {
  readonly pool: Pool = new Pool()
  readonly #sources: PlacementSources
  readonly #costs = new Map<string, number | null>()
  #vitals: ReadonlyMap<string, VitalValues> = new Map()
  #rememberedAt: Instant | undefined

  constructor(sources: PlacementSources) {
    this.#sources = sources
  }

  /** The node for the task, or why there is none. */
  choose(now: Instant, parts: TaskParts, conditions: Conditions): { readonly node: string; readonly site: string } | string {
    const candidates = this.#rank(now, queryOf(parts, conditions))
    const [best] = candidates
    if (best?.possible) return { node: best.node, site: best.site }
    const reasons = Map.groupBy(candidates, ({ rejected }) => rejected.replace(/\d+(?:\.\d+)?/g, 'n'))
    const common = [...reasons.values()].toSorted((a, b) => b.length - a.length).slice(0, 3)
    const told = common.map((group) => `${group.length === 1 ? group[0]?.node : `${group.length} nodes`}: ${group[0]?.rejected}`)
    return candidates.length === 0 ? 'no node offers to run tasks' : `no node can take it: ${told.join('; ')}`.slice(0, 500)
  }

  explain(now: Instant, parts: TaskParts): TaskWhyView['candidates'] {
    const { grant } = parts
    return this.candidates(now, parts, { to: grant?.to ?? null, not: null }).map((candidate) => {
      const has = grant?.node === candidate.node && grant.phase !== 'initialised'
      const rejected = has ? '' : candidate.rejected || 'would be chosen if it were placed now'
      return { ...candidate, chosen: has || (candidate.chosen && !grant?.node), rejected }
    })
  }

  /** As if it were placed now. */
  candidates(now: Instant, parts: TaskParts, conditions: Conditions): TaskWhyView['candidates'] {
    return this.#rank(now, queryOf(parts, conditions))
      .slice(0, SHOWN_MAX)
      .map(({ node, site, costMs, load, chosen, rejected }) => ({ node, site, costMs, load, chosen, rejected }))
  }

  /** Why nobody will ever run it, in words; `undefined` if somebody might. */
  hopeless(now: Instant, query: Omit<PlacementQuery, 'not'>): string | undefined {
    const { site, near } = query.task
    for (const place of [site, near]) if (place !== null && !this.#knows(now, place)) return `no site ${place} is known`
    if (query.to !== null && !this.pool.has(query.to) && !this.#knows(now, query.to)) return `no node or site ${query.to} is known`
    if (couldRun({ ...query, not: null }, this.pool.nodes())) return undefined
    return `no worker ${site === null ? 'anywhere' : `at ${site}`} takes a task like this`
  }

  #knows(now: Instant, site: string): boolean {
    return this.pool.hasSite(site) || this.#sources.knowsSite(now, site)
  }

  #rank(now: Instant, query: PlacementQuery): ReturnType<typeof rank> {
    if (this.#rememberedAt === undefined || now - this.#rememberedAt > MEMORY_MS) {
      this.#rememberedAt = now
      this.#costs.clear()
      this.#vitals = this.#sources.vitals(now)
    }
    return rank(query, this.pool.nodes(), {
      verdict: (node) => this.#sources.verdict(now, node),
      vitals: (node) => this.#vitals.get(node),
      costMs: (site, node) => this.#costMs(site, node),
    })
  }

  /** The nodes of a site are equally far. */
  #costMs(from: string, { node, site }: PoolNode): number | null {
    const way = `${from} ${site}`
    const known = this.#costs.get(way)
    if (known !== undefined) return known
    const costMs = this.#sources.costMs(from, node)
    this.#costs.set(way, costMs)
    return costMs
  }
}

function queryOf({ id, task }: TaskParts, conditions: Conditions): PlacementQuery {
  return { id, task: task?.value ?? NO_TASK, labels: task?.labels ?? {}, ...conditions }
}

const NO_TASK: TaskRecord = {
  ...{ desired: { spec: null, generation: 1 }, policy: 'sticky', convergeKey: null, needs: {}, nodes: '' },
  ...{ site: null, near: null, createdAt: 0, token: 0 },
}
