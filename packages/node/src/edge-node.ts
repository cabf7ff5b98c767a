/**
 * An edge node: knows the nodes of its site, and takes part in electing the gateway and its standby, which hold uplinks
 * to hubs. Only the gateway exchanges state with the core; the others exchange it with the gateway. Every node that has
 * uplinks carries frames and passes on plans for those of its site that have none, and tells hubs who of the site is there.
 *
 *  1. Nodes that see the same neighbours agree on the gateway (`GatewayElection`).
 *  2. A node holds uplinks unless two before it by name reach hubs: the gateway and the standby.
 *  3. A hub that drains is asked for nothing while there is another.
 *  4. Without any hub the node goes on: it serves what it has, accepts writes, and says so (`cutOff`).
 */
import {
  ATTACHED_MAX,
  type Attached,
  type ControlRecord,
  type Instant,
  type NodeId,
  type SiteMessage,
  type StoreEntry,
  after,
  earliest,
  nodeId,
} from '@causeway/protocol'
import { Dialer, type Peer, UNMEASURED_COST_MS } from '@causeway/mesh'
import type { ChangeEffect } from '@causeway/state'
import { Attachments } from './attachments.ts'
import { Absence } from './absence.ts'
import { SPARE, cutOffReason } from './cut-off-reason.ts'
import type { NodeConfig, NodeEnvironment } from './contract.ts'
import { DirectLinks } from './direct-links.ts'
import { GatewayElection } from './gateway-election.ts'
import { HomeHub } from './home-hub.ts'
import { NodeBase } from './node-base.ts'
import { PlanRequests } from './plan-requests.ts'
import { MEMBERS, SiteMembers } from './site-members.ts'
import { SiteVerdicts } from './site-verdicts.ts'
import { SiteWatch } from './site-watch.ts'
import { Testifier } from './testifier.ts'
import type { NodeVerdict } from './verdict.ts'

/** The uplinks of the gateway carry the site's traffic; those of the standby only wait for their turn. */
const IDLE_MS = { gateway: 1_000, other: 5_000 } as const
/** The gateway and the standby. */
const UPLINKED_NODES = 2
/** Uplinks that others hold as well are kept for so long: a node that has just returned may not stay. */
const SPARE_MS = 5_000
/** Who is third by name steps in so long after uplinks are missing, the fourth after twice that: not all at once. */
const STEP_IN_MS = 1_000
/** Gateways that a node without uplinks asks for plans: two ways out. */
const GATEWAYS_ASKED = 2
/** How often what follows from costs alone is looked at; and how much sooner if something else wakes the node. */
const [REVIEW_MS, EARLY_MS] = [2_000, 600]

export class EdgeNode extends NodeBase {
  /** Nodes of this site that are linked with us. */
  readonly #neighbours = new Map<NodeId, Peer>()
  /** What they say. The ends of a link come up one by one: this may be said before the link is up here. */
  readonly #told = new Map<NodeId, SiteMessage>()
  readonly #dialer: Dialer
  readonly #members: SiteMembers
  readonly #watch = new SiteWatch()
  readonly #verdicts: SiteVerdicts
  readonly #testifier: Testifier
  readonly #absence: Absence
  readonly #home = new HomeHub()
  readonly #attachments = new Attachments()
  readonly #plans: PlanRequests
  readonly #direct: DirectLinks
  readonly #election: GatewayElection
  #upstream: NodeId | undefined
  /** Others hold uplinks enough; since when that is so, or is not; when we act on it. */
  #uplinksSpare = false
  #sparedAt: Instant
  #stepAt: Instant | undefined
  #introduced = false
  #saidSite = ''
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
    const dialer = new Dialer(environment.now, { ...config, random: environment.random })
    super(config, environment, stored, { relay: 'site', router: { wayTo }, dialer })
    made.hubs = () => this.#hubs()
    this.#election = new GatewayElection(this.self)
    this.#sparedAt = environment.now
    const { mesh, credential } = this
    const { name: witness, site, region } = credential
    this.#dialer = dialer
    const report = (event: string, data: Record<string, string>): void => this.report(event, data)
    const { limits, reachable: addresses = [] } = config
    this.#direct = new DirectLinks(environment.now, { ...environment, self: this.self, site, addresses, limits, mesh, dialer, report })
    this.services.push(this.#direct)
    this.#members = new SiteMembers(credential, dialer)
    this.#verdicts = new SiteVerdicts(credential)
    this.#absence = new Absence(environment.now)
    this.#testifier = new Testifier({ witness, incarnation: environment.incarnation, site, region }, (hub, testimony) =>
      mesh.sendControl(hub, { type: 'testimony', testimonies: [testimony] }),
    )
    this.#members.learn(environment.now, this.replica.list(MEMBERS, site))
    this.#plans = new PlanRequests(
      { id: this.self, name: this.credential.name },
      {
        wanted: () => [...mesh.destinations()].filter((to) => !this.#isAtHand(to)),
        send: (peer, message) => mesh.sendControl(peer, message),
        use: (to, paths, names) => mesh.setPlan(mesh.now, to, paths, names),
        linkCost: (neighbour) => (mesh.link(neighbour)?.up ? (mesh.link(neighbour)?.costMs ?? UNMEASURED_COST_MS) : undefined),
      },
    )
  }

  protected override gateway(): string {
    return this.mesh.nameOf(this.#election.gateway)
  }

  override cutOff(): boolean {
    return this.#hubs().length === 0 && this.#gateways().length === 0
  }

  /** Also those that only neighbours can reach. */
  protected override hubsKnown(): readonly NodeId[] {
    return [...new Set([...this.#hubs(), ...[...this.#told.values()].flatMap(({ hubs }) => hubs)])]
  }

  /** Also those of which only the disk speaks. */
  protected override siteMates(): readonly string[] {
    const known = this.replica.list(MEMBERS, this.credential.site).map(({ key }) => key)
    return [...new Set([...super.siteMates(), ...known])].filter((name) => name !== this.credential.name)
  }

  protected override linkUp(now: Instant, peer: Peer): void {
    this.#changed = true
    if (peer.credential.role === 'hub') {
      this.#home.linkUp(now)
      this.#attachments.forget()
    } else if (peer.credential.site === this.credential.site) {
      this.#neighbours.set(peer.id, peer)
      if (this.#isAtHand(peer.id)) this.#plans.unwant(peer.id)
      this.#watch.linkUp(now, peer.id, peer.credential.name)
      this.#watch.told(now, peer.id, this.#told.get(peer.id)?.hears ?? [])
      this.mesh.sendControl(peer.id, this.#siteMessage())
    }
  }

  protected override linkDown(now: Instant, peer: Peer): void {
    this.#changed = true
    this.#neighbours.delete(peer.id)
    this.#told.delete(peer.id)
    this.#plans.forget(peer.id)
    if (peer.credential.site === this.credential.site && [...this.mesh.destinations()].includes(peer.id)) this.#plans.want(peer.id)
    this.#home.linkDown(now, peer.id)
    this.#testifier.forget(peer.id)
    // What is silent keeps its connection for a while.
    this.#watch.linkDown(now, peer.id, this.mesh.link(peer.id)?.connection === undefined ? 'reset' : 'silent')
  }

  protected override lagged(now: Instant, lagMs: number): void {
    this.#watch.lagged(now, lagMs)
    this.#changed = true
  }

  protected override recordChanged(now: Instant, { change, collection, record, point }: ChangeEffect): void {
    const { site } = this.credential
    if (collection === MEMBERS && change !== 'DELETED') this.#members.learn(now, [record])
    else if (collection === MEMBERS && record.partition === site) this.#removed(record.key)
    const ours = point.writer === this.credential.name || this.replica.get(MEMBERS, site, point.writer) !== undefined
    this.#absence.changed(now, `${collection}/${record.partition}/${record.key}`, ours || this.#watch.knows(nodeId(point.writer)))
  }

  /** A hub takes it for gone: if that is us, we say again that we are here. */
  #removed(node: string): void {
    if (node === this.credential.name) this.#introduced = false
    else this.#watch.forget(nodeId(node))
    this.#changed = true
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
        if (this.mesh.link(from)?.peer.credential.site !== this.credential.site) break
        this.#told.set(from, message)
        this.#election.heard(message.term)
        this.#watch.told(now, from, message.hears)
        break
      case 'bye':
        if (message.stops) this.#watch.saidGoodbye(from)
        this.#direct.saidGoodbye(now, from, message.stops === true)
        break
      case 'drain':
        if (this.mesh.link(from)?.peer.credential.role !== 'hub') break
        this.mesh.setDraining(now, from, message.draining)
        this.report(message.draining ? 'hub-drains' : 'hub-drains-no-more', { hub: this.mesh.nameOf(from) })
        break
      case 'returned':
        if (this.#neighbours.has(from)) this.mesh.sendControl(from, this.#siteMessage())
        else this.#attachments.forget()
        this.#testifier.forget(from)
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
    if (!this.#isAtHand(to)) this.#plans.want(to)
  }

  /** A neighbour to whom any uplink leads as well, should the cable between us fail: a plan kept up to date would cost more than it brings. */
  #isAtHand(to: NodeId): boolean {
    return this.#neighbours.has(to) && this.#hubs().length > 0
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
      .filter(({ id }) => this.#told.get(id)?.hubs.length === 0)
      .slice(0, ATTACHED_MAX)
      .map(({ id, credential }) => ({ id, name: credential.name, costMs: Math.round(this.mesh.link(id)?.costMs ?? UNMEASURED_COST_MS) }))
    if (this.#attachments.isNews(hubs, nodes)) for (const hub of hubs) this.mesh.sendControl(hub, { type: 'attached', nodes })
  }

  // ---- who is gateway, and with whom to exchange state

  /** Hubs we have live links with, cheapest first; those that drain last. */
  #hubs(): NodeId[] {
    const hubs = this.mesh.liveLinks('hub').map((link) => link.peer.id)
    return hubs.toSorted((a, b) => Number(this.mesh.isDraining(a)) - Number(this.mesh.isDraining(b)))
  }

  /** Called with every turn: mostly there is nothing to decide. */
  protected override decide(now: Instant): void {
    if (!this.#changed && (this.#decideAt === undefined || now < this.#decideAt - EARLY_MS)) return
    this.#changed = false
    this.#introduce(now)
    this.#electGateway()
    this.#chooseUplinks(now)
    this.#tellSite()
    this.#tellHubs()
    this.#choosePlanServers()
    this.mesh.setNeed(now, { idleMs: this.#election.isOurs ? IDLE_MS.gateway : IDLE_MS.other, helped: this.#gateways().length > 0 })
    const hubs = this.#hubs()
    if (this.#home.choose(now, hubs, (hub) => this.mesh.isDraining(hub))) {
      this.report('home-chosen', { hub: this.mesh.nameOf(this.#home.hub as NodeId) })
    }
    this.#exchangeWith(now, this.#election.isOurs ? this.#home.hub : this.#election.gateway)
    this.#testifier.say(hubs, { gateway: this.#election.isOurs, term: this.#election.claim, seen: this.#watch.sightings(now) })
    this.#noteAbsence(now)
    this.#decideAt = this.#nextReview(now)
  }

  protected override nextDecision(): Instant | undefined {
    return this.#decideAt
  }

  /** Costs change without notice; a choice may be due earlier. */
  #nextReview(now: Instant): Instant | undefined {
    const own = [this.#absence.nextWake(now), this.#watch.nextWake(now)].reduce(earliest, this.#stepAt)
    return this.#hubs().length === 0 ? own : [this.#home.nextWake(), own].reduce(earliest, after(now, REVIEW_MS))
  }

  /** Writes once where this node can be dialled. */
  #introduce(now: Instant): void {
    const { nearby = [] } = this.config
    if (this.#introduced || nearby.length === 0) return
    this.#introduced = true
    const value = this.#members.news(this.replica, nearby)
    if (!value) return
    const { name: key, site: partition } = this.credential
    this.writeOwn(now, { collection: MEMBERS, partition, changes: [{ key, operation: { type: 'put', value } }] }, (result) => {
      if (!result.ok) this.report('member-not-introduced', { reason: result.message, remedy: result.remedy })
    })
  }

  #siteMessage(): SiteMessage {
    return { type: 'site', hubs: this.#hubs().slice(0, 64), hears: this.#watch.hears(), term: this.#election.highest }
  }

  #tellSite(): void {
    const message = this.#siteMessage()
    const said = [message.hubs, message.hears].map((ids) => ids.toSorted((a, b) => a - b).join()).join(' ') + ` ${message.term}`
    if (said === this.#saidSite) return
    this.#saidSite = said
    for (const neighbour of this.#neighbours.keys()) this.mesh.sendControl(neighbour, message)
  }

  #reachesHub(neighbour: NodeId): boolean {
    return (this.#told.get(neighbour)?.hubs ?? []).length > 0
  }

  #electGateway(): void {
    const candidates = [{ id: this.self, name: this.credential.name, reaches: this.#hubs().length > 0 }]
    for (const [id, { credential }] of this.#neighbours) candidates.push({ id, name: credential.name, reaches: this.#reachesHub(id) })
    const changed = this.#election.elect(candidates)
    const { isOurs: self, highest: term } = this.#election
    if (changed) this.report('gateway-changed', { gateway: changed.name, self, term })
  }

  /** Invariant 2. */
  #chooseUplinks(now: Instant): void {
    const before = [...this.#neighbours.values()].filter(({ credential }) => credential.name < this.credential.name)
    const spare = before.filter(({ id }) => this.#reachesHub(id)).length >= UPLINKED_NODES
    if (spare !== this.#uplinksSpare) this.#sparedAt = now
    this.#uplinksSpare = spare
    this.#stepAt = after(this.#sparedAt, spare ? SPARE_MS : STEP_IN_MS * Math.max(0, before.length + 1 - UPLINKED_NODES))
    if (now < this.#stepAt) return
    this.#stepAt = undefined
    this.#dialer.setUplinks(spare ? 0 : this.config.uplinks)
    if (!spare) return
    for (const hub of this.#hubs()) this.mesh.stop(SPARE, hub)
  }

  #exchangeWith(now: Instant, upstream: NodeId | undefined): void {
    if (upstream === this.#upstream) return
    if (this.#upstream !== undefined) this.endSession(now, this.#upstream)
    this.#upstream = upstream
    if (upstream !== undefined) this.sessions.want(now, upstream, 'up', this.#neighbours.has(upstream))
  }

  #noteAbsence(now: Instant): void {
    const settled = (): boolean => {
      const { pending, sessions } = this.replica.view(now)
      return this.replica.complete() && pending === 0 && sessions.length > 0
    }
    const event = this.#absence.observe(now, this.cutOff(), settled)
    if (event?.name !== 'site-cut-off') return event && this.report(event.name, event.data)
    const { hubs, peers } = this.config
    const reason = cutOffReason(now, this.mesh, hubs.length + peers.length > 0)
    if (reason !== undefined) this.report(event.name, { reason })
  }

  // ---- verdicts

  override verdicts(now: Instant): readonly NodeVerdict[] {
    const [seen, alone] = [this.#watch.sightings(now), this.#neighbours.size === 0]
    const { gateway, isOurs, claim, highest } = this.#election
    const site = { wallMs: this.wallMs(now), cutOff: this.cutOff(), alone, gateway, term: isOurs ? claim : highest, seen }
    return this.#verdicts.all(site, this.replica)
  }
}
