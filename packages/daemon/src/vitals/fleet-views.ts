/**
 * Nodes and sites as people ask for them, out of what this node has heard: vitals, and its own links. Somebody of whom
 * nothing is heard is `unknown`, no more: to tell a crash from a cut takes several witnesses.
 */
import type {
  LinkView,
  NodeEvidence,
  NodeView,
  NodesView,
  SiteView,
  SitesView,
  StatusView,
  VitalAggregate,
  VitalValues,
} from '@causeway/protocol'
import type { VitalView } from '@causeway/state'

export interface FleetSources {
  readonly status: Pick<StatusView, 'node' | 'site' | 'region' | 'role' | 'uptimeSeconds'>
  readonly links: readonly Pick<LinkView, 'to' | 'state' | 'since'>[]
  readonly vitals: readonly VitalView[]
  /** Changes with everything that is heard. */
  readonly version: number
  /** Wall clock minus monotonic instant. */
  readonly wallOffsetMs: number
}

/** Sorted by name; this node is always among them. */
export function nodesView({ status, links, vitals, version, wallOffsetMs }: FleetSources): NodesView {
  const live = new Map(links.filter(({ state }) => state === 'up' || state === 'degraded').map((link) => [link.to, link]))
  const items = vitals.map(({ identity, values, ageMs, fresh, since }): NodeView => {
    const { name: node, site, region, role } = identity
    const self = node === status.node
    const link = live.get(node)
    const evidence: NodeEvidence[] = [
      ...(self ? ['self' as const] : []),
      ...(link ? ['link' as const] : []),
      ...(fresh ? ['vitals' as const] : []),
    ]
    const linkedSince = link && !fresh ? link.since : undefined
    return {
      ...{ node, site, region, role },
      verdict: evidence.length > 0 ? 'alive' : 'unknown',
      since: Math.round(linkedSince ?? since + wallOffsetMs),
      evidence,
      vitals: values,
      vitalsAgeMs: Math.round(ageMs),
    }
  })
  if (!items.some(({ node }) => node === status.node)) {
    const { node, site, region, role } = status
    items.push({ node, site, region, role, verdict: 'alive', since: null, evidence: ['self'], vitals: null, vitalsAgeMs: null })
  }
  return { items: items.toSorted((a, b) => (a.node < b.node ? -1 : 1)), token: `${version}.${live.size}` }
}

/** Sorted by name. */
export function sitesView({ items, token }: NodesView): SitesView {
  const sites = Map.groupBy(items, ({ region, site }) => `${region}/${site}`)
  const views = [...sites.values()].map((nodes): SiteView => {
    const [{ site, region } = { site: '', region: '' }] = nodes
    const alive = nodes.filter(({ verdict }) => verdict === 'alive')
    const instants = (alive.length > 0 ? alive : nodes).flatMap(({ since }) => (since === null ? [] : [since]))
    // Alive since its oldest node is; unknown since its last one fell silent.
    const since = instants.length === 0 ? null : alive.length > 0 ? Math.min(...instants) : Math.max(...instants)
    const heard = alive.flatMap(({ vitals }) => (vitals === null ? [] : [vitals]))
    return {
      ...{ site, region, since, verdict: alive.length > 0 ? 'alive' : 'unknown' },
      nodes: { total: nodes.length, alive: alive.length },
      vitals: heard.length === 0 ? null : aggregate(heard),
    }
  })
  return { items: views.toSorted((a, b) => (a.site < b.site ? -1 : 1)), token }
}

function aggregate(nodes: readonly VitalValues[]): Record<string, VitalAggregate> {
  const names = [...new Set(nodes.flatMap((values) => Object.keys(values)))]
  return Object.fromEntries(
    names.map((name) => {
      const values = nodes.flatMap((node) => node[name] ?? [])
      const sum = values.reduce((total, value) => total + value, 0)
      return [name, { mean: rounded(sum / values.length), max: Math.max(...values), sum: rounded(sum) }]
    }),
  )
}

/** Without the traces of binary fractions. */
function rounded(value: number): number {
  return Number(value.toPrecision(12))
}
