/**
 * A hub: relays frames, floods link state with the other hubs, answers for plans, and passes state on between
 * sites and hubs.
 *
 *  1. Every hub advertises its own links; every hub computes over all of them. There is no leader.
 *  2. Hubs of the core exchange state with each other directly, one of a lower tier with one of the core: see `StatePeers`.
 *  3. Every hub judges every site, from the same testimony; one of them publishes.
 *  4. A hub that drains goes on relaying whatever comes: to leave it is the business of the others.
 */
import {
  type Advert,
  type AdvertisedLink,
  type Attached,
  type ControlRecord,
  type Instant,
  type NodeId,
  type PlanExplanation,
  REVOCATIONS,
  type Random,
  type RelayView,
  type StoreEntry,
  type Testimony,
  type Verdict,
  after,
  earliest,
  failureDomains,
  instant,
  jittered,
  nodeId,
} from '@causeway/protocol'
import { Dialer, LinkState, type Peer, UNMEASURED_COST_MS } from '@causeway/mesh'
import {
  type NodeConfig,
  type NodeEnvironment,
  type NodeVerdict,
  type VerdictSource,
  MEMBERS,
  NodeBase,
  VERDICTS,
  verdictIn,
  verdictPartition,
} from '@causeway/node'
import type { ChangeEffect } from '@causeway/state'
import { makeAllocator } from './allocator/make-allocator.ts'
import { DepartedNodes, type DepartedOptions } from './departed-nodes.ts'
import { EndedLinks } from './ended-links.ts'
import { explainPlan } from './explanation.ts'
import { Planner } from './planner.ts'
import { RelayRate } from './relay-rate.ts'
import { StatePeers } from './state-peers.ts'
import { VerdictPublisher } from './verdict-publisher.ts'
import { Verdicts } from './verdicts.ts'

/** How often costs of own links are looked at; one that falls is advertised at once. */
const LOOK_MS = 1_000
/** Links that come up wait for company: an advert names all links of a hub, every hub reads it, and sites return by hundreds. */
const SPACING_MS = 20
/** How often link state is compared with a neighbour's: what a flood has missed is missed no longer. */
const COMPARE_MS = 10_000
const COMPARE_JITTER = 0.3

export class Hub extends NodeBase implements VerdictSource {
  readonly #linkState: LinkState
  readonly #planner: Planner
  readonly #random: Random
  readonly #rate = new RelayRate()
  /** Gateway → the nodes of its site that reach hubs through it only. */
  readonly #attached = new Map<NodeId, readonly Attached[]>()
  readonly #ended: EndedLinks
  readonly #verdicts: Verdicts
  readonly #publisher: VerdictPublisher
  readonly #statePeers: StatePeers
  #draining = false
  #lookAt: Instant
  #advertisedAt: Instant = instant(Number.NEGATIVE_INFINITY)
  #compareAt: Instant
  #plannedVersion = -1
  #plansDue: Instant | undefined

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>) {
    // The mesh is made before the link state that routes for it.
    const made: { linkState?: LinkState } = {}
    // What `uplinks` says is for edge nodes: hubs that are named are held, all of them, for only neighbours exchange state.
    const dialer = new Dialer(environment.now, { ...config, uplinks: Infinity, random: environment.random })
    super(config, environment, stored, {
      relay: 'all',
      dialer,
      router: {
        wayTo: (to, avoid) => made.linkState?.paths(this.self, to, 1, config.limits.routeHopsMax, avoid)[0]?.route,
      },
    })
    const { now, incarnation, random } = environment
    const { name, labels } = this.credential
    this.#linkState = new LinkState(now, { self: this.self, name, incarnation, domains: failureDomains(labels) })
    made.linkState = this.#linkState
    this.#planner = new Planner(this.#linkState, this.self)
    this.#random = random
    this.#statePeers = new StatePeers({
      ...{ self: this.self, mesh: this.mesh, isLower: (config.parents ?? []).length > 0 },
      want: (at, peer, relation) => this.sessions.want(at, peer, relation),
      end: (at, peer) => this.endSession(at, peer),
      report: (event, data) => this.report(event, data),
    })
    this.#ended = new EndedLinks({ witness: name, incarnation })
    const { replica, vitals } = this
    const report = (event: string, data: Record<string, string | number>): void => this.report(event, data)
    this.#verdicts = new Verdicts(now, {
      self: name,
      linkState: this.#linkState,
      vitals: (at) => new Map(vitals.views(at).map(({ identity, ageMs }) => [identity.name, instant(at - ageMs)])),
      publishedSites: () =>
        replica.partitionsOf(VERDICTS).flatMap((partition) => {
          const [region, site, ...more] = partition.split('/')
          return region !== undefined && site !== undefined && more.length === 0 ? [{ region, site }] : []
        }),
      isRevoked: (node) => replica.isRevoked(node),
      published: (region, site) => replica.list(VERDICTS, verdictPartition({ region, site })).flatMap((record) => verdictIn(record) ?? []),
      report,
    })
    const writing = { replica, report, write: (...args: Parameters<DepartedOptions['write']>): void => this.writeOwn(...args) }
    const departed = new DepartedNodes(writing)
    this.#publisher = new VerdictPublisher(now, {
      ...{ ...writing, departed, self: this.self, verdicts: this.#verdicts, linkState: this.#linkState },
    })
    this.#lookAt = now
    this.#compareAt = after(now, jittered(random, COMPARE_MS, COMPARE_JITTER))
    const { allocator: place = { engine: 'none' } } = config
    if (place.engine === 'external' || (place.engine === 'embedded' && place.hub === name)) this.#becomeAllocator(now)
  }

  #becomeAllocator(now: Instant): void {
    const verdict = (at: Instant, node: string): Verdict => this.verdict(at, node)
    this.grantTasks((parts) => {
      const { replica, vitals } = this
      return makeAllocator(now, parts, { replica, vitals, verdict, linkState: this.#linkState })
    })
  }

  protected override gateway(): null {
    return null
  }

  /** A hub of the core is never cut off from itself: what it cannot reach shows in its links. */
  override cutOff(): boolean {
    return this.#statePeers.cutOff
  }

  protected override hubsKnown(): readonly NodeId[] {
    return this.#statePeers.above()
  }

  protected override relay(now: Instant): RelayView {
    const framesPerSecond = this.#rate.perSecond(now, this.mesh.relayed)
    return { draining: this.#draining, frames: this.mesh.relayed, framesPerSecond }
  }

  override explain(from: string, to: string): PlanExplanation {
    return explainPlan(this.#linkState, this.credential.name, nodeId(from), nodeId(to))
  }

  override planHub(): string {
    return this.credential.name
  }

  protected override linkUp(now: Instant, peer: Peer): void {
    if (peer.credential.role === 'hub') {
      // One advert a message: each stays well under the bound, whatever their number.
      for (const advert of this.#linkState.all(now)) this.mesh.sendControl(peer.id, { type: 'linkState', adverts: [advert] })
      this.#statePeers.linkUp(now, peer)
      for (const testimony of this.#verdicts.testimonies.all(now))
        this.mesh.sendControl(peer.id, { type: 'testimony', testimonies: [testimony] })
    } else {
      this.#verdicts.locate(peer.credential.site, peer.credential.region)
      this.#testify(now, this.#ended.up(now, peer.credential))
    }
    if (this.#draining) this.mesh.sendControl(peer.id, { type: 'drain', draining: true })
    this.#lookSoon(now)
  }

  protected override linkQuality(now: Instant): void {
    this.#lookAt = now
  }

  protected override linkDown(now: Instant, peer: Peer): void {
    this.#planner.forget(peer.id)
    this.#attached.delete(peer.id)
    this.#statePeers.linkDown(now, peer.id)
    this.#lookAt = now
    if (peer.credential.role === 'hub') return
    // What is silent keeps its connection for a while.
    const how = this.mesh.link(peer.id)?.connection === undefined ? 'reset' : 'silent'
    this.#testify(now, this.#ended.down(now, peer.credential, how))
  }

  protected override recordChanged(now: Instant, { collection, change, record }: ChangeEffect): void {
    if (collection === MEMBERS && change === 'DELETED') this.#verdicts.forget(now, record.key, record.partition)
    if (collection === REVOCATIONS && this.replica.isRevoked(record.key)) this.#verdicts.forget(now, record.key)
  }

  protected override lagged(now: Instant, lagMs: number): void {
    this.#verdicts.lagged(now, lagMs)
  }

  protected override control(now: Instant, from: NodeId, message: ControlRecord): void {
    const peer = this.mesh.link(from)?.peer
    switch (message.type) {
      case 'linkState':
      case 'linkStateDigest':
        if (peer?.credential.role === 'hub') this.#ofHub(now, from, message)
        else this.accuse(from, 'sends link state, and is no hub')
        break
      case 'attached':
        if (peer?.credential.role !== 'edge') break
        this.#attached.set(from, message.nodes)
        this.#lookSoon(now)
        break
      case 'testimony':
        for (const testimony of message.testimonies) this.#ofWitness(now, from, testimony)
        break
      case 'bye':
        if (peer?.credential.role === 'edge') this.#ended.saidGoodbye(peer.credential.name, message.stops === true)
        break
      case 'planRequest':
        this.#answerPlan(now, from, message.to)
        break
      case 'planCancel':
        this.#planner.cancel(from, message.to)
        break
      case 'returned':
        if (this.#draining) this.mesh.sendControl(from, { type: 'drain', draining: true })
        break
      case 'drain':
        if (peer?.credential.role === 'hub') this.mesh.setDraining(now, from, message.draining)
        break
      default:
    }
  }

  // ---- link state

  #ofHub(now: Instant, from: NodeId, message: Extract<ControlRecord, { type: 'linkState' | 'linkStateDigest' }>): void {
    if (message.type === 'linkState') {
      for (const advert of this.#linkState.learn(now, message.adverts)) this.#flood(advert, from)
      return
    }
    const { missing, behind } = this.#linkState.compare(now, message.known)
    for (const advert of missing) this.mesh.sendControl(from, { type: 'linkState', adverts: [advert] })
    if (behind && !message.answer) this.#sendDigest(from, true)
  }

  #sendDigest(to: NodeId, answer: boolean): void {
    this.mesh.sendControl(to, { type: 'linkStateDigest', known: this.#linkState.digest(), answer })
  }

  #flood(advert: Advert, except?: NodeId): void {
    const message = { type: 'linkState', adverts: [advert] } as const
    for (const { peer } of this.mesh.liveLinks('hub')) if (peer.id !== except) this.mesh.sendControl(peer.id, message)
  }

  // ---- verdicts

  verdict(_now: Instant, node: string): Verdict {
    const hub = this.#linkState.hubs().find(({ id }) => id === nodeId(node))
    return this.#verdicts.of(node) ?? (hub?.reachable ? 'alive' : 'unknown')
  }

  override verdicts(): NodeVerdict[] {
    return this.#verdicts.all()
  }

  /** An edge node speaks for itself and of its own site; hubs pass on what others say. */
  #ofWitness(now: Instant, from: NodeId, testimony: Testimony): void {
    const credential = this.mesh.link(from)?.peer.credential
    if (!credential) return
    const { name, site, region, role } = credential
    const own = testimony.lan && testimony.witness === name && testimony.site === site && testimony.region === region
    if (role === 'edge' && !own) return this.accuse(from, 'testifies for somebody else')
    if (this.#verdicts.learn(now, testimony)) this.#passOn(testimony, from)
  }

  /** What we have seen ourselves. */
  #testify(now: Instant, testimony: Testimony | undefined): void {
    if (testimony && this.#verdicts.learn(now, testimony)) this.#passOn(testimony)
  }

  #passOn(testimony: Testimony, except?: NodeId): void {
    const message = { type: 'testimony', testimonies: [testimony] } as const
    for (const { peer } of this.mesh.liveLinks('hub')) if (peer.id !== except) this.mesh.sendControl(peer.id, message)
  }

  /** A gateway may speak for nodes of its own site only: not for a name that is not its id, nor, as long as it is so, for one that is linked with us. */
  #behind(gateway: NodeId): Attached[] {
    const nodes = this.#attached.get(gateway) ?? []
    return nodes.filter(({ id, name }) => id === nodeId(name) && id !== this.self && this.mesh.link(id)?.up !== true)
  }

  #ownLinks(): AdvertisedLink[] {
    return this.mesh.liveLinks().map(({ peer, costMs, costBackMs, impaired }) => ({
      to: peer.id,
      name: peer.credential.name,
      site: peer.credential.site,
      role: peer.credential.role,
      costMs: costMs ?? UNMEASURED_COST_MS,
      costBackMs: costBackMs ?? costMs ?? UNMEASURED_COST_MS,
      impaired,
      domains: failureDomains(peer.credential.labels),
      behind: this.#behind(peer.id),
    }))
  }

  protected override decide(now: Instant): void {
    this.#statePeers.decide(now)
    this.#decideLinks(now)
    this.#publisher.decide(now, this.#verdicts.decide(now, this.wallMs(now) - now))
    this.#decidePlans(now)
  }

  #decideLinks(now: Instant): void {
    if (now >= this.#lookAt) {
      this.#lookAt = after(now, LOOK_MS)
      if (this.#planner.waits) this.#plansDue = now
      this.#rate.observe(now, this.mesh.relayed)
      this.#linkState.forgetOld(now)
      const news = this.#linkState.advertise(now, this.#ownLinks(), this.#draining)
      if (news) {
        this.#advertisedAt = now
        this.#flood(news)
      }
    }
    if (now >= this.#compareAt) {
      this.#compareAt = after(now, jittered(this.#random, COMPARE_MS, COMPARE_JITTER))
      const hubs = this.mesh.liveLinks('hub')
      const one = hubs[this.#random.uint32() % Math.max(1, hubs.length)]
      if (one) this.#sendDigest(one.peer.id, false)
    }
  }

  #lookSoon(now: Instant): void {
    this.#lookAt = instant(Math.min(this.#lookAt, Math.max(now, after(this.#advertisedAt, SPACING_MS))))
  }

  #decidePlans(now: Instant): void {
    const due = this.#plansDue !== undefined && now >= this.#plansDue
    if (this.#plannedVersion === this.#linkState.version && !due) return
    this.#plannedVersion = this.#linkState.version
    const news = this.#planner.takeNews(now)
    this.#plansDue = this.#planner.lookAt
    for (const { subscriber, plan } of news) {
      if (subscriber === this.self) this.mesh.setPlan(now, plan.to, plan.paths, plan.names)
      else this.mesh.sendControl(subscriber, plan)
    }
  }

  #answerPlan(now: Instant, from: NodeId, to: NodeId): void {
    const plan = this.#planner.subscribe(now, from, to)
    if (plan) this.mesh.sendControl(from, plan)
    else this.report('plan-refused', { peer: this.mesh.nameOf(from) })
  }

  protected override nextDecision(): Instant | undefined {
    const links = earliest(earliest(this.#lookAt, this.#compareAt), this.#plansDue)
    return earliest(earliest(links, this.#statePeers.nextWake()), earliest(this.#verdicts.nextWake(), this.#publisher.nextWake()))
  }

  // ---- draining

  protected override drain(now: Instant, draining: boolean): void {
    if (draining === this.#draining) return
    this.#draining = draining
    this.#lookAt = now
    for (const link of this.mesh.liveLinks()) this.mesh.sendControl(link.peer.id, { type: 'drain', draining })
    this.report(draining ? 'drain-begun' : 'drain-ended', { links: this.mesh.liveLinks().length })
  }

  // ---- own plans

  /** A hub asks itself, as others ask it. */
  protected override planWanted(now: Instant, to: NodeId): void {
    const plan = this.#planner.subscribe(now, this.self, to)
    if (plan) this.mesh.setPlan(now, to, plan.paths, plan.names)
  }

  protected override planUnwanted(_now: Instant, to: NodeId): void {
    this.#planner.cancel(this.self, to)
  }
}
