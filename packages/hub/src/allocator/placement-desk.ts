/**
 * Placement with what this hub knows: the pool, vitals, verdicts, and the costs of ways.
 *
 *  1. The node that is chosen is the one that `rank` puts first; it is found among those that have a slot, site by site,
 *     nearest first, as far as a node can still be better.
 */
import type { Instant, TaskRecord, TaskWhyView, Verdict, VitalValues } from '@causeway/protocol'
import { type TaskParts, parseSelector } from '@causeway/node'
import { type Candidate, type PlacementKnowledge, type PlacementQuery, better, judgeOf, lastingFault, rank } from './placement.ts'
import { Pool } from './pool.ts'
import type { WayCosts } from './way-costs.ts'

const SHOWN_MAX = 100
/** What was found out of vitals, and why there is no place, is good for so long: many tasks come at once. */
const MEMORY_MS = 1_000
/** Scores this far apart are never the same. */
const WORSE_MS = 1

export interface PlacementSources {
  readonly verdict: (now: Instant, node: string) => Verdict
  /** What every node last told of itself. */
  readonly vitals: (now: Instant) => ReadonlyMap<string, VitalValues>
  readonly ways: WayCosts
  /** Somebody of that site was ever heard of. */
  readonly knowsSite: (now: Instant, site: string) => boolean
}

interface Conditions {
  readonly to: string | null
  readonly not: string | null
}

export interface Place {
  readonly node: string
  readonly site: string
}

export class Placement {
  readonly pool: Pool = new Pool()
  readonly #sources: PlacementSources
  /** Why there is no place for a task like that. */
  readonly #reasons = new Map<string, string>()
  #vitals: ReadonlyMap<string, VitalValues> = new Map()
  #rememberedAt: Instant | undefined

  constructor(sources: PlacementSources) {
    this.#sources = sources
  }

  /** The node for the task; `undefined`: nobody can take it now. */
  choose(now: Instant, parts: TaskParts, conditions: Conditions): Place | undefined {
    const query = queryOf(parts, conditions)
    const judge = judgeOf(query, this.#known(now))
    let best: Candidate | undefined
    for (const [site, costMs] of this.#sitesFor(now, query)) {
      if (best && costMs >= best.score + WORSE_MS) break
      for (const node of this.pool.open(site)) {
        const candidate = judge(node)
        if (candidate.possible && (!best || better(query.id, candidate, best) < 0)) best = candidate
      }
    }
    return best && { node: best.node, site: best.site }
  }

  /** Sites where somebody has a slot, and the way there, cheapest first. */
  *#sitesFor(now: Instant, { task: { near, site }, to }: PlacementQuery): Iterable<readonly [string, number]> {
    const { openSites: open } = this.pool
    const only = site ?? (to === null ? null : (this.pool.siteOf(to) ?? to))
    if (only !== null) yield [only, 0]
    else if (near === null) for (const each of open) yield [each, 0]
    else if (open.size > 0) {
      const costs = this.#sources.ways.from(now, near)
      for (const way of costs) if (open.has(way[0])) yield way
      for (const each of open) if (!costs.has(each)) yield [each, Number.POSITIVE_INFINITY]
    }
  }

  /** Why nobody can take it now. */
  whyNot(now: Instant, parts: TaskParts, conditions: Conditions): string {
    const { pool } = this
    if (pool.size === 0) return 'no node offers to run tasks'
    if (pool.openSites.size === 0) return 'no node can take it: all that offer to run tasks are full'
    const query = queryOf(parts, conditions)
    this.#known(now)
    const { site, needs, nodes } = query.task
    const like = JSON.stringify([site, needs, nodes, query.labels, conditions])
    const known = this.#reasons.get(like)
    if (known !== undefined) return known
    const reason = `no node can take it: ${commonReasons(this.#rank(now, query))}`.slice(0, 500)
    this.#reasons.set(like, reason)
    return reason
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
    const matches = parseSelector(query.task.nodes)
    const rejections: Rejection[] = []
    for (const node of this.pool.nodes(site ?? undefined)) {
      const rejected = lastingFault({ ...query, not: null }, node, matches)
      if (rejected === undefined) return undefined
      rejections.push({ node: node.node, rejected })
    }
    const reasons = rejections.length === 0 ? '' : `: ${commonReasons(rejections)}`
    return `no worker ${site === null ? 'anywhere' : `at ${site}`} takes a task like this${reasons}`.slice(0, 500)
  }

  #knows(now: Instant, site: string): boolean {
    return this.pool.hasSite(site) || this.#sources.ways.knows(now, site) || this.#sources.knowsSite(now, site)
  }

  #rank(now: Instant, query: PlacementQuery): Candidate[] {
    return rank(query, this.pool.nodes(), this.#known(now))
  }

  #known(now: Instant): PlacementKnowledge {
    if (this.#rememberedAt === undefined || now - this.#rememberedAt > MEMORY_MS) {
      this.#rememberedAt = now
      this.#reasons.clear()
      this.#vitals = this.#sources.vitals(now)
    }
    return {
      verdict: (node) => this.#sources.verdict(now, node),
      vitals: (node) => this.#vitals.get(node),
      costMs: (from, { site }) => this.#sources.ways.from(now, from).get(site) ?? null,
    }
  }
}

function queryOf({ id, task }: TaskParts, conditions: Conditions): PlacementQuery {
  return { id, task: task?.value ?? NO_TASK, labels: task?.labels ?? {}, ...conditions }
}

const NO_TASK: TaskRecord = {
  ...{ desired: { spec: null, generation: 1 }, policy: 'sticky', convergeKey: null, needs: {}, nodes: '' },
  ...{ site: null, near: null, createdAt: 0, token: 0 },
}

interface Rejection {
  readonly node: string
  readonly rejected: string
}

/** Those of most nodes. Reasons that differ in figures only are one. */
function commonReasons(rejections: readonly Rejection[]): string {
  const groups = Map.groupBy(rejections, ({ rejected }) => rejected.replace(/\d+(?:\.\d+)?/g, 'n'))
  const common = [...groups.values()].toSorted((a, b) => b.length - a.length).slice(0, 3)
  return common.map((group) => `${group.length === 1 ? group[0]?.node : `${group.length} nodes`}: ${group[0]?.rejected}`).join('; ')
}
