/** The allocator of a hub, and who decides strict writes there, put together: their engine, and what the hub knows of ways, nodes and other hubs. */
import { type Credential, type Instant, LEASE_TIMES, TASK_COLLECTIONS, type Verdict, after, nodeId } from '@causeway/protocol'
import type { LinkState } from '@causeway/mesh'
import type { AuthorityParts, Granting, NodeBase } from '@causeway/node'
import { Allocator } from './allocator.ts'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import { Ledger } from './ledger.ts'
import { EmbeddedEngine, ExternalEngine } from './lease-engine.ts'
import { Placement } from './placement-desk.ts'
import { StrictDesk } from './strict-desk.ts'
import { LinkCosts } from './way-costs.ts'

export interface AllocatorKnowledge {
  readonly replica: NodeBase['replica']
  readonly vitals: NodeBase['vitals']
  readonly linkState: LinkState
  readonly verdict: (now: Instant, node: string) => Verdict
}

export function makeAllocator(now: Instant, parts: AuthorityParts, { replica, vitals, linkState, ...known }: AllocatorKnowledge): Granting {
  const { host, index, write } = parts
  const { name, site } = host.credential
  const external = host.place.engine === 'external' ? new ExternalEngine(now, (effect) => host.emit(effect)) : undefined
  const engine = external ?? new EmbeddedEngine((at) => host.wallMs(at))
  // Nobody listens any more to a node that was revoked, nor it to us: for its tasks it is dead, whatever it still does.
  const verdict = (at: Instant, node: string): Verdict => (replica.isRevoked(node) ? 'crashed' : known.verdict(at, node))
  const ways = new LinkCosts(linkState, { id: nodeId(name), site })
  const placement = new Placement({
    verdict,
    ways,
    vitals: (at) => new Map(vitals.views(at).map(({ identity, values }) => [identity.name, values])),
    knowsSite: (at, wanted) => vitals.views(at).some(({ identity }) => identity.site === wanted),
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
  return { tasks: new Allocator(now, surroundings), writes: new StrictDesk({ ...surroundings, replica }) }
}
