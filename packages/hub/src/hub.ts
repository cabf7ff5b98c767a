/**
 * A hub: relays frames, floods link state with the other hubs, answers for plans, and passes state on between
 * sites and hubs.
 *
 *  1. Every hub advertises its own links; every hub computes over all of them. There is no leader.
 *  2. Hubs exchange state with each other directly; of two, the one with the lower id opens the session.
 */
import { type AdvertisedLink, type ControlRecord, type Instant, type NodeId, type StoreEntry, after, nodeId } from '@causeway/protocol'
import { LinkState, type Peer, UNMEASURED_COST_MS } from '@causeway/mesh'
import { type NodeConfig, type NodeEnvironment, NodeBase } from '@causeway/node'
import { Planner } from './planner.ts'

/** How often costs of own links are looked at; ups and downs are advertised at once. */
const LOOK_MS = 1_000

export class Hub extends NodeBase {
  readonly #linkState: LinkState
  readonly #planner: Planner
  #lookAt: Instant
  #plannedVersion = -1
  #plansAsked = false

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>) {
    // The mesh is made before the link state that routes for it.
    const made: { linkState?: LinkState } = {}
    super(config, environment, stored, {
      relay: true,
      router: {
        wayTo: (to, avoid) => made.linkState?.paths(this.self, to, 1, config.limits.routeHopsMax, avoid)[0]?.route,
      },
    })
    this.#linkState = new LinkState(environment.now, this.self, this.credential.name, environment.incarnation)
    made.linkState = this.#linkState
    this.#planner = new Planner(this.#linkState)
    this.#lookAt = environment.now
  }

  protected override gateway(): null {
    return null
  }

  /** A hub is never cut off from itself: what it cannot reach shows in its links. */
  protected override cutOff(): boolean {
    return false
  }

  protected override linkUp(now: Instant, peer: Peer): void {
    if (peer.credential.role === 'hub') {
      // One advert a message: each stays well under the bound, whatever their number.
      for (const advert of this.#linkState.all()) this.mesh.sendControl(peer.id, { type: 'linkState', adverts: [advert] })
      if (this.self < peer.id) this.sessions.want(now, peer.id, 'mesh')
    }
    this.#lookAt = now
  }

  protected override linkDown(now: Instant, peer: Peer): void {
    this.#planner.forget(peer.id)
    this.#lookAt = now
  }

  protected override control(now: Instant, from: NodeId, message: ControlRecord): void {
    switch (message.type) {
      case 'linkState':
        for (const advert of this.#linkState.learn(now, message.adverts)) this.#flood(advert, from)
        break
      case 'planRequest':
        if (!this.#planner.subscribe(from, message.to)) this.report('plan-refused', { peer: this.mesh.nameOf(from) })
        this.#plansAsked = true
        break
      case 'planCancel':
        this.#planner.cancel(from, message.to)
        break
      default:
    }
  }

  // ---- link state

  #flood(advert: ReturnType<LinkState['all']>[number], except?: NodeId): void {
    for (const link of this.mesh.liveLinks('hub')) {
      if (link.peer.id !== except) this.mesh.sendControl(link.peer.id, { type: 'linkState', adverts: [advert] })
    }
  }

  #ownLinks(): AdvertisedLink[] {
    return this.mesh.liveLinks().map(({ peer, costMs }) => ({
      to: peer.id,
      name: peer.credential.name,
      site: peer.credential.site,
      role: peer.credential.role,
      costMs: costMs ?? UNMEASURED_COST_MS,
    }))
  }

  protected override decide(now: Instant): void {
    if (now >= this.#lookAt) {
      this.#lookAt = after(now, LOOK_MS)
      this.#linkState.forgetOld(now)
      const news = this.#linkState.advertise(now, this.#ownLinks())
      if (news) this.#flood(news)
    }
    if (this.#plannedVersion === this.#linkState.version && !this.#plansAsked) return
    this.#plannedVersion = this.#linkState.version
    this.#plansAsked = false
    for (const { subscriber, plan } of this.#planner.takeNews()) this.mesh.sendControl(subscriber, plan)
    for (const to of [...this.mesh.destinations()]) this.planWanted(now, to)
  }

  protected override nextDecision(): Instant | undefined {
    return this.#lookAt
  }

  // ---- own plans

  protected override planWanted(now: Instant, to: NodeId): void {
    const names = [...this.#linkState.nodes()].flatMap((id) => {
      const name = this.#linkState.nameOf(id)
      return name === undefined ? [] : [{ id, name }]
    })
    this.mesh.setPlan(now, to, this.#planner.plan(nodeId(this.credential.name), to), names)
  }

  protected override planUnwanted(): void {
    // Plans of our own are computed on the spot: there is nobody to tell.
  }
}
