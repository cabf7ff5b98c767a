/**
 * An edge node: holds uplinks to hubs, knows the nodes of its site, and takes part in electing the gateway. Only
 * the gateway exchanges state with the core; the others exchange it with the gateway. Every node that has uplinks carries
 * frames and passes on plans for those of its site that have none.
 *
 *  1. Gateway is the first, by (can reach a hub, name), of the nodes of the site that are linked with us, and we.
 *     Nodes that see the same neighbours agree; on a split LAN each part has its own, which is legal.
 *  2. The home hub is the cheapest at the moment of choosing, and is kept until it has been unreachable for 1 s.
 *  3. A hub that drains is nobody's home and asked for nothing while there is another.
 *  4. Without any hub the node goes on: it serves what it has, accepts writes, and says so (`cutOff`).
 */
import {
  ATTACHED_MAX,
  type Attached,
  type ControlRecord,
  type Instant,
  type NodeId,
  type StoreEntry,
  after,
  earliest,
} from '@causeway/protocol'
import { type Peer, UNMEASURED_COST_MS } from '@causeway/mesh'
import type { NodeConfig, NodeEnvironment } from './contract.ts'
import { NodeBase } from './node-base.ts'
import { PlanRequests } from './plan-requests.ts'

/** The uplinks of the gateway carry the site's traffic; those of the others only wait for their turn. */
const PACE_MS = { gateway: 1_000, other: 5_000 } as const
/** Gateways that a node without uplinks asks for plans: two ways out. */
const GATEWAYS_ASKED = 2
/** How often what follows from costs alone is looked at. */
const REVIEW_MS = 2_000
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
  readonly #plans: PlanRequests
  #saidHubs = ''
  #saidAttached = ''
  /** Something happened that may change a decision. */
  #changed = true
  #decideAt: Instant | undefined

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>) {
    // The mesh is made before there are hubs to hand over to.
    const made: { hubs: () => readonly NodeId[] } = { hubs: () => [] }
    const wayTo = (to: NodeId, avoid: ReadonlySet<NodeId>): NodeId[] | undefined => {
      const hub = made.hubs().find((id) => !avoid.has(id))
      return hub === undefined ? undefined : [hub, to]
    }
    super(config, environment, stored, { relay: 'site', router: { wayTo } })
    made.hubs = () => this.#hubs()
    this.#gateway = this.self
    const { mesh } = this
    this.#plans = new PlanRequests(
      { id: this.self, name: this.credential.name },
      {
        wanted: () => mesh.destinations(),
        send: (peer, message) => mesh.sendControl(peer, message),
        use: (to, paths, names) => mesh.setPlan(mesh.now, to, paths, names),
        linkCost: (neighbour) => (mesh.link(neighbour)?.up ? (mesh.link(neighbour)?.costMs ?? UNMEASURED_COST_MS) : undefined),
      },
    )
  }

  protected override gateway(): string {
    return this.mesh.nameOf(this.#gateway)
  }

  protected override cutOff(): boolean {
    return this.#hubs().length === 0 && ![...this.#neighbours.keys()].some((id) => this.#reachesHub(id))
  }

  protected override linkUp(now: Instant, peer: Peer): void {
    this.#changed = true
    if (peer.credential.role === 'hub') {
      this.#firstHubAt ??= now
      this.#saidAttached = ''
    } else if (peer.credential.site === this.credential.site) {
      this.#neighbours.set(peer.id, peer)
      this.mesh.sendControl(peer.id, { type: 'site', hubs: this.#hubs() })
    }
  }

  protected override linkDown(now: Instant, peer: Peer): void {
    this.#changed = true
    this.#neighbours.delete(peer.id)
    this.#reached.delete(peer.id)
    this.#plans.forget(peer.id)
    if (peer.id === this.#home) this.#homeLostAt = now
  }

  protected override control(now: Instant, from: NodeId, message: ControlRecord): void {
    this.#changed = true
    switch (message.type) {
      case 'plan':
        this.#plans.answered(from, message)
        break
      case 'planRequest':
        if (this.#neighbours.has(from) && !this.#plans.serve(from, message.to))
          this.report('plan-refused', { peer: this.mesh.nameOf(from) })
        break
      case 'planCancel':
        this.#plans.unserve(from, message.to)
        break
      case 'site':
        if (this.mesh.link(from)?.peer.credential.site === this.credential.site) this.#reached.set(from, message.hubs)
        break
      case 'drain':
        if (this.mesh.link(from)?.peer.credential.role !== 'hub') break
        this.mesh.setDraining(now, from, message.draining)
        this.report(message.draining ? 'hub-drains' : 'hub-drains-no-more', { hub: this.mesh.nameOf(from) })
        break
      case 'returned':
        if (this.#neighbours.has(from)) this.mesh.sendControl(from, { type: 'site', hubs: this.#hubs() })
        else this.#saidAttached = ''
        this.#plans.repeat(from)
        break
      default:
    }
  }

  // ---- plans

  override planHub(): string | null {
    const [server] = this.#plans.servers
    return server === undefined ? null : this.mesh.nameOf(server)
  }

  override explain(): null {
    return null
  }

  protected override relay(): null {
    return null
  }

  protected override drain(): void {
    // Who asks is told that this is for hubs.
  }

  protected override planWanted(_now: Instant, to: NodeId): void {
    this.#plans.want(to)
  }

  protected override planUnwanted(_now: Instant, to: NodeId): void {
    this.#plans.unwant(to)
  }

  /** One hub, kept while it is there and does not drain; without any, the gateways. */
  #choosePlanServers(): void {
    const hubs = this.#hubs()
    const [present] = this.#plans.servers
    const kept =
      present !== undefined && hubs.includes(present) && !(this.mesh.isDraining(present) && !this.mesh.isDraining(hubs[0] as NodeId))
    const servers = hubs.length > 0 ? (kept ? [present] : hubs.slice(0, 1)) : this.#gateways()
    if (servers.join() !== this.#plans.servers.join()) this.#plans.ask(servers)
  }

  /** Nodes of the site that reach a hub, the first of them the gateway. */
  #gateways(): NodeId[] {
    return [...this.#neighbours.values()]
      .filter(({ id }) => this.#reachesHub(id))
      .toSorted((a, b) => (a.credential.name < b.credential.name ? -1 : 1))
      .slice(0, GATEWAYS_ASKED)
      .map(({ id }) => id)
  }

  /** Tells our hubs which nodes of the site reach none but through us. */
  #tellHubs(): void {
    const hubs = this.#hubs()
    if (hubs.length === 0) return
    const nodes: Attached[] = [...this.#neighbours.values()]
      .filter(({ id }) => this.#reached.get(id)?.length === 0)
      .slice(0, ATTACHED_MAX)
      .map(({ id, credential }) => ({ id, name: credential.name, costMs: Math.round(this.mesh.link(id)?.costMs ?? UNMEASURED_COST_MS) }))
    const said = [...hubs.toSorted((a, b) => a - b), ...nodes.flatMap(({ id, costMs }) => [id, Math.round(Math.log2(costMs + 1))])].join()
    if (said === this.#saidAttached) return
    if (nodes.length > 0 || this.#saidAttached !== '') for (const hub of hubs) this.mesh.sendControl(hub, { type: 'attached', nodes })
    this.#saidAttached = said
  }

  // ---- who is gateway, and with whom to exchange state

  /** Hubs we have live links with, cheapest first; those that drain last. */
  #hubs(): NodeId[] {
    const hubs = this.mesh.liveLinks('hub').map((link) => link.peer.id)
    return hubs.toSorted((a, b) => Number(this.mesh.isDraining(a)) - Number(this.mesh.isDraining(b)))
  }

  /** Called with every turn: mostly there is nothing to decide. */
  protected override decide(now: Instant): void {
    if (!this.#changed && (this.#decideAt === undefined || now < this.#decideAt)) return
    this.#changed = false
    this.#tellSite()
    this.#tellHubs()
    this.#choosePlanServers()
    this.#electGateway()
    this.mesh.pace(now, this.#gateway === this.self ? PACE_MS.gateway : PACE_MS.other)
    this.#chooseHome(now)
    this.#exchangeWith(now, this.#gateway === this.self ? this.#home : this.#gateway)
    this.#decideAt = this.#nextReview(now)
  }

  protected override nextDecision(): Instant | undefined {
    return this.#decideAt
  }

  /** Costs change without notice; a choice of home may be due earlier. */
  #nextReview(now: Instant): Instant | undefined {
    if (this.#hubs().length === 0) return undefined
    const first = this.#home === undefined && this.#firstHubAt !== undefined ? after(this.#firstHubAt, FIRST_CHOICE_MS) : undefined
    const lost = this.#homeLostAt === undefined ? undefined : after(this.#homeLostAt, HOME_PATIENCE_MS)
    return earliest(after(now, REVIEW_MS), earliest(first, lost))
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
    const best = hubs[0]
    if (best === undefined) return
    const left = this.#home !== undefined && this.mesh.isDraining(this.#home) && !this.mesh.isDraining(best)
    if (this.#home !== undefined && hubs.includes(this.#home) && !left) {
      this.#homeLostAt = undefined
      return
    }
    if (left) this.#homeLostAt = undefined
    else if (
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
