/** The allocator of a hub, put together: its engine, and what the hub knows of ways, nodes and other hubs. */
import { type Credential, type Instant, LEASE_TIMES, type NodeId, TASK_COLLECTIONS, type Verdict, after, nodeId } from '@causeway/protocol'
import type { LinkState } from '@causeway/mesh'
import type { AuthorityParts, NodeBase } from '@causeway/node'
import { Allocator, type AllocatorSurroundings } from './allocator.ts'
import { Ledger } from './ledger.ts'
import { EmbeddedEngine, ExternalEngine } from './lease-engine.ts'
import { Placement } from './placement-desk.ts'

/** Ways that are compared have at most so many steps. */
const HOPS_MAX = 5

export interface AllocatorKnowledge {
  readonly replica: NodeBase['replica']
  readonly vitals: NodeBase['vitals']
  readonly linkState: LinkState
  readonly verdict: (now: Instant, node: string) => Verdict
}

export function makeAllocator(now: Instant, parts: AuthorityParts, { replica, vitals, linkState, verdict }: AllocatorKnowledge): Allocator {
  const { host, index, write } = parts
  const { name } = host.credential
  const external = host.place.engine === 'external' ? new ExternalEngine(now, (effect) => host.emit(effect)) : undefined
  const engine = external ?? new EmbeddedEngine((at) => host.wallMs(at))
  const sites = siteMap(linkState)
  const placement = new Placement({
    verdict,
    vitals: (at) => new Map(vitals.views(at).map(({ identity, values }) => [identity.name, values])),
    costMs: (site, node) => {
      const costs = sites(host.mesh.now)
        .get(site)
        ?.flatMap((from) => (from === nodeId(node) ? 0 : (linkState.paths(from, nodeId(node), 1, HOPS_MAX)[0]?.costMs ?? [])))
      return costs && costs.length > 0 ? Math.min(...costs) : null
    },
    knowsSite: (at, site) => sites(at).has(site) || vitals.views(at).some(({ identity }) => identity.site === site),
  })
  const credentialOf = (collection: string, partition: string, writer: string): Credential | undefined =>
    replica.credentialOf(collection, partition, writer)
  for (const record of replica.list(TASK_COLLECTIONS.workers)) {
    const { key, partition } = record
    placement.pool.offered(key, partition, record, credentialOf(TASK_COLLECTIONS.workers, partition, key))
  }
  const leads = (): boolean => {
    if (!external) return true
    const others = linkState.hubs().flatMap(({ id, reachable }) => (reachable ? (linkState.nameOf(id) ?? []) : []))
    return others.every((other) => name <= other)
  }
  const surroundings: AllocatorSurroundings = {
    ...{ ...parts, engine, placement, verdict, leads, credentialOf },
    reaches: (hub) => linkState.hubs().some(({ id, reachable }) => reachable && id === nodeId(hub)),
    ledger: new Ledger(name, index, write),
    grantsFrom: external || replica.heads().length > 0 ? now : after(now, LEASE_TIMES.regrantMs),
  }
  return new Allocator(now, surroundings)
}

/** Site → its nodes that some hub sees, as of the present link state; a few of each are enough to know what a way costs. */
function siteMap(linkState: LinkState): (now: Instant) => ReadonlyMap<string, readonly NodeId[]> {
  const PER_SITE_MAX = 2
  let version = -1
  let sites = new Map<string, NodeId[]>()
  return (now) => {
    if (version === linkState.version) return sites
    version = linkState.version
    sites = new Map()
    for (const { links } of linkState.all(now)) {
      for (const { to, site } of links) {
        const nodes = sites.get(site)
        if (!nodes) sites.set(site, [to])
        else if (nodes.length < PER_SITE_MAX && !nodes.includes(to)) nodes.push(to)
      }
    }
    return sites
  }
}
