/**
 * Nodes and sites as people ask for them: verdicts as this node knows them, vitals, and its own links. Of whom no verdict
 * is known only that is said which shows here: heard or not.
 */
import {
  type LinkView,
  type NodeEvidence,
  type NodeView,
  type NodesView,
  type SiteView,
  type SitesView,
  type StatusView,
  type Verdict,
  type VitalAggregate,
  type VitalValues,
  nodeId,
} from '@causeway/protocol'
import type { NodeVerdict } from '@causeway/node'
import type { VitalView } from '@causeway/state'

export interface FleetSources {
  readonly status: Pick<StatusView, 'node' | 'site' | 'region' | 'role' | 'uptimeSeconds'>
  readonly links: readonly Pick<LinkView, 'to' | 'state' | 'since'>[]
  readonly vitals: readonly VitalView[]
  readonly verdicts: readonly NodeVerdict[]
  /** Nobody speaks with it any more. What it said last is remembered for a while. */
  readonly isRevoked: (node: string) => boolean
  /** Changes with everything that is heard. */
  readonly version: number
  /** Wall clock minus monotonic instant. */
  readonly wallOffsetMs: number
}

/** Sorted by name; this node is always among them. */
export function nodesView(sources: FleetSources): NodesView {
  const { status, links, version } = sources
  const live = new Map(links.filter(({ state }) => state === 'up' || state === 'degraded').map((link) => [link.to, link]))
  const verdicts = new Map(sources.verdicts.map((verdict) => [verdict.node, verdict]))
  const vitals = new Map(sources.vitals.map((vital) => [vital.identity.name, vital]))
  const others = [...vitals.keys(), ...verdicts.keys()].filter((node) => !sources.isRevoked(node))
  const names = [...new Set([status.node, ...others])].sort()
  const items = names.map((node) => nodeView(sources, node, { link: live.get(node), vital: vitals.get(node), verdict: verdicts.get(node) }))
  const concluded = items.map(({ node, verdict, gatewayTerm }) => `${node} ${verdict} ${gatewayTerm}`).join()
  return { items, token: `${version}.${live.size}.${nodeId(concluded)}` }
}

interface Known {
  readonly link: FleetSources['links'][number] | undefined
  readonly vital: VitalView | undefined
  readonly verdict: NodeVerdict | undefined
}

function nodeView({ status, wallOffsetMs }: FleetSources, node: string, { link, vital, verdict: judged }: Known): NodeView {
  const self = node === status.node
  const fresh = vital?.fresh === true
  const kinds: readonly [NodeEvidence, boolean][] = [
    ['self', self],
    ['link', link !== undefined],
    ['vitals', fresh],
  ]
  const shows = kinds.flatMap(([kind, is]) => (is ? [kind] : []))
  const verdict = self ? 'alive' : (judged?.verdict ?? (shows.length > 0 ? 'alive' : 'unknown'))
  const heardSince = link && !fresh ? link.since : vital && vital.since + wallOffsetMs
  const since = (judged?.verdict === verdict ? judged.since : null) ?? heardSince ?? null
  const { site, region, role } = self ? status : (vital?.identity ?? { site: '', region: '', role: 'edge', ...judged })
  return {
    ...{ node, site, region, role, verdict },
    since: since === null ? null : Math.round(since),
    evidence: [...shows, ...(judged?.evidence ?? []).map((witness) => ({ ...witness, at: Math.round(witness.at) }))],
    vitals: vital?.values ?? null,
    vitalsAgeMs: vital ? Math.round(vital.ageMs) : null,
    ...(typeof judged?.gatewayTerm === 'number' && { gatewayTerm: judged.gatewayTerm }),
  }
}

/** Sorted by name. */
export function sitesView({ items, token }: NodesView): SitesView {
  const sites = Map.groupBy(items, ({ region, site }) => `${region}/${site}`)
  const views = [...sites.values()].map((nodes): SiteView => {
    const [{ site, region } = { site: '', region: '' }] = nodes
    const alive = nodes.filter(({ verdict }) => verdict === 'alive')
    const instants = (alive.length > 0 ? alive : nodes).flatMap(({ since }) => (since === null ? [] : [since]))
    // Alive since its oldest node is; silent since its last one fell silent.
    const since = instants.length === 0 ? null : alive.length > 0 ? Math.min(...instants) : Math.max(...instants)
    const heard = alive.flatMap(({ vitals }) => (vitals === null ? [] : [vitals]))
    const gateways = nodes
      .filter(({ gatewayTerm }) => gatewayTerm !== undefined)
      .toSorted((a, b) => (b.gatewayTerm ?? 0) - (a.gatewayTerm ?? 0))
      .map(({ node }) => node)
    return {
      ...{ site, region, since, verdict: siteVerdict(nodes) },
      nodes: { total: nodes.length, alive: alive.length },
      vitals: heard.length === 0 ? null : aggregate(heard),
      ...(gateways.length > 0 && { gateways }),
    }
  })
  return { items: views.toSorted((a, b) => (a.site < b.site ? -1 : 1)), token }
}

/** What says most of whether the site can be reached; to tell that all of it has crashed somebody of it would have to live. */
function siteVerdict(nodes: readonly NodeView[]): Verdict {
  const told: readonly Verdict[] = ['alive', 'suspect', 'cut-off']
  return told.find((verdict) => nodes.some((node) => node.verdict === verdict)) ?? 'unknown'
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
