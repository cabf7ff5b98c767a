/**
 * An edge node: holds uplinks to hubs, knows the nodes of its site, and takes part in electing the gateway. Only
 * the gateway exchanges state with the core; the others exchange it with the gateway.
 *
 *  1. Gateway is the first, by (can reach a hub, name), of the nodes of the site that are linked with us, and we.
 *     Nodes that see the same neighbours agree; on a split LAN each part has its own, which is legal.
 *  2. The home hub is the cheapest at the moment of choosing, and is kept until it has been unreachable for 1 s.
 *  3. Without any hub the node goes on: it serves what it has, accepts writes, and says so (`cutOff`).
 */
import { type ControlRecord, type Instant, type NodeId, type StoreEntry, after, earliest } from '@causeway/protocol'
import type { Peer } from '@causeway/mesh'
import type { NodeConfig, NodeEnvironment } from './contract.ts'
import { NodeBase } from './node-base.ts'

/** The uplinks of the gateway carry the site's traffic; those of the others only wait for their turn. */
const PACE_MS = { gateway: 1_000, other: 5_000 } as const
const HOME_PATIENCE_MS = 1_000
/** Links to hubs come up one after the other: wait for the better one before choosing a home. */
const FIRST_CHOICE_MS = 300

export class EdgeNode extends NodeBase {
  /** Nodes of this site that are linked with us. */
  readonly #neighbours = new Map<NodeId, Peer>()
  /** Which hubs they can reach. The ends of a link come up one by one: this may be said before the link is up here. */
  readonly #reached = new Map<NodeId, readonly NodeId[]>()
  #gateway: NodeId
  #upstream: NodeId | undefined
  #home: NodeId | undefined
  #homeLostAt: Instant | undefined
  #firstHubAt: Instant | undefined
  #planHub: NodeId | undefined
  #saidHubs = ''

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>) {
    super(config, environment, stored, { relay: false })
    this.#gateway = this.self
  }

  protected override gateway(): string {
    return this.mesh.nameOf(this.#gateway)
  }

  protected override cutOff(): boolean {
    return this.#hubs().length === 0 && ![...this.#neighbours.keys()].some((id) => this.#reachesHub(id))
  }

  protected override linkUp(now: Instant, peer: Peer): void {
    if (peer.credential.role === 'hub') {
      this.#firstHubAt ??= now
      this.#choosePlanHub()
    } else if (peer.credential.site === this.credential.site) {
      this.#neighbours.set(peer.id, peer)
      this.mesh.sendControl(peer.id, { type: 'site', hubs: this.#hubs() })
    }
  }

  protected override linkDown(now: Instant, peer: Peer): void {
    this.#neighbours.delete(peer.id)
    this.#reached.delete(peer.id)
    if (peer.id === this.#planHub) {
      this.#planHub = undefined
      this.#choosePlanHub()
    }
    if (peer.id === this.#home) this.#homeLostAt = now
  }

  protected override control(now: Instant, from: NodeId, message: ControlRecord): void {
    if (message.type === 'plan') {
      this.mesh.setPlan(now, message.to, message.paths, message.names)
    } else if (message.type === 'site') {
      if (this.mesh.link(from)?.peer.credential.site === this.credential.site) this.#reached.set(from, message.hubs)
    } else if (message.type === 'returned') {
      if (this.#neighbours.has(from)) this.mesh.sendControl(from, { type: 'site', hubs: this.#hubs() })
      if (from === this.#planHub) this.#requestPlans(from)
    }
  }

  // ---- plans come from a hub

  protected override planWanted(_now: Instant, to: NodeId): void {
    if (this.#planHub !== undefined) this.mesh.sendControl(this.#planHub, { type: 'planRequest', to })
  }

  protected override planUnwanted(_now: Instant, to: NodeId): void {
    if (this.#planHub !== undefined) this.mesh.sendControl(this.#planHub, { type: 'planCancel', to })
  }

  #choosePlanHub(): void {
    if (this.#planHub !== undefined) return
    this.#planHub = this.#hubs()[0]
    if (this.#planHub !== undefined) this.#requestPlans(this.#planHub)
  }

  #requestPlans(hub: NodeId): void {
    for (const to of this.mesh.destinations()) this.mesh.sendControl(hub, { type: 'planRequest', to })
  }

  // ---- who is gateway, and with whom to exchange state

  /** Hubs we have live links with, cheapest first. */
  #hubs(): NodeId[] {
    return this.mesh.liveLinks('hub').map((link) => link.peer.id)
  }

  protected override decide(now: Instant): void {
    this.#tellSite()
    this.#electGateway()
    this.mesh.pace(now, this.#gateway === this.self ? PACE_MS.gateway : PACE_MS.other)
    this.#chooseHome(now)
    this.#exchangeWith(now, this.#gateway === this.self ? this.#home : this.#gateway)
  }

  protected override nextDecision(): Instant | undefined {
    if (this.#hubs().length === 0) return undefined
    const first = this.#home === undefined && this.#firstHubAt !== undefined ? after(this.#firstHubAt, FIRST_CHOICE_MS) : undefined
    return earliest(first, this.#homeLostAt === undefined ? undefined : after(this.#homeLostAt, HOME_PATIENCE_MS))
  }

  #tellSite(): void {
    const hubs = this.#hubs()
    const said = [...hubs].toSorted((a, b) => a - b).join()
    if (said === this.#saidHubs) return
    this.#saidHubs = said
    for (const neighbour of this.#neighbours.keys()) this.mesh.sendControl(neighbour, { type: 'site', hubs })
  }

  #reachesHub(neighbour: NodeId): boolean {
    return (this.#reached.get(neighbour) ?? []).length > 0
  }

  #electGateway(): void {
    const candidates = [{ id: this.self, name: this.credential.name, reaches: this.#hubs().length > 0 }]
    for (const [id, { credential }] of this.#neighbours) candidates.push({ id, name: credential.name, reaches: this.#reachesHub(id) })
    candidates.sort((a, b) => Number(b.reaches) - Number(a.reaches) || (a.name < b.name ? -1 : 1))
    const gateway = candidates[0]
    if (!gateway || gateway.id === this.#gateway) return
    this.#gateway = gateway.id
    this.report('gateway-changed', { gateway: gateway.name, self: gateway.id === this.self })
  }

  #chooseHome(now: Instant): void {
    const hubs = this.#hubs()
    if (this.#home !== undefined && hubs.includes(this.#home)) {
      this.#homeLostAt = undefined
      return
    }
    const best = hubs[0]
    if (best === undefined) return
    if (
      this.#home === undefined
        ? now < after(this.#firstHubAt ?? now, FIRST_CHOICE_MS)
        : now < after(this.#homeLostAt ?? now, HOME_PATIENCE_MS)
    )
      return
    this.#home = best
    this.#homeLostAt = undefined
    this.report('home-chosen', { hub: this.mesh.nameOf(best) })
  }

  #exchangeWith(now: Instant, upstream: NodeId | undefined): void {
    if (upstream === this.#upstream) return
    if (this.#upstream !== undefined) this.endSession(now, this.#upstream)
    this.#upstream = upstream
    if (upstream !== undefined) this.sessions.want(now, upstream, 'up')
  }
}
