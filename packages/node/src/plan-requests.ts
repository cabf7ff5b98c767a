/**
 * Where the plans of an edge node come from, and whom it passes them on to. A node with uplinks asks one hub; a node
 * without asks the gateways of its site, which ask their hub and put themselves at the head of the answer.
 *
 *  1. Of one destination there is at most one plan from each node that is asked; together they are the plan.
 *  2. A plan is given up only for another one, never because nobody answers: without any hub that plans, the paths in
 *     hand are used and tested as before.
 *  3. What the nodes of the site may ask for is bounded.
 */
import { LIMITS, type NodeId, type NodeName, type PlanMessage, type PlannedPath } from '@causeway/protocol'

/** Destinations that one node of the site may ask for. */
const SERVED_MAX = 4096
const PATHS_MAX = 8

export interface PlanRequestsOutput {
  /** Destinations this node sends to. */
  wanted(): Iterable<NodeId>
  send(peer: NodeId, message: { readonly type: 'planRequest' | 'planCancel'; readonly to: NodeId } | PlanMessage): void
  use(to: NodeId, paths: readonly PlannedPath[], names: readonly NodeName[]): void
  /** Cost of our own link to a neighbour, `undefined` if there is none. */
  linkCost(neighbour: NodeId): number | undefined
}

export class PlanRequests {
  readonly #self: NodeName
  readonly #out: PlanRequestsOutput
  /** Whom we ask: a hub, or gateways. */
  #servers: readonly NodeId[] = []
  /** Destination → server → the paths it named. */
  readonly #plans = new Map<NodeId, Map<NodeId, PlanMessage>>()
  /** Node of our site → the destinations it asks us for. */
  readonly #served = new Map<NodeId, Set<NodeId>>()

  constructor(self: NodeName, out: PlanRequestsOutput) {
    this.#self = self
    this.#out = out
  }

  get servers(): readonly NodeId[] {
    return this.#servers
  }

  /** From now on these are asked. */
  ask(servers: readonly NodeId[]): void {
    const before = this.#servers
    this.#servers = servers
    for (const server of servers) if (!before.includes(server)) this.repeat(server)
    for (const server of before) if (!servers.includes(server)) this.#cancelAll(server)
  }

  /** A server may have forgotten what it was asked. */
  repeat(server: NodeId): void {
    if (!this.#servers.includes(server)) return
    for (const to of this.#all()) this.#out.send(server, { type: 'planRequest', to })
  }

  want(to: NodeId): void {
    for (const server of this.#servers) this.#out.send(server, { type: 'planRequest', to })
    const plans = this.#plans.get(to)
    if (plans) this.#use(to, plans)
  }

  unwant(to: NodeId): void {
    if (this.#isServed(to)) return
    this.#plans.delete(to)
    for (const server of this.#servers) this.#out.send(server, { type: 'planCancel', to })
  }

  /** A server has answered. Without paths it knows no better than we do (invariant 2). */
  answered(server: NodeId, plan: PlanMessage): void {
    const { to } = plan
    if (!this.#servers.includes(server) || (!this.#isServed(to) && !new Set(this.#out.wanted()).has(to))) return
    const plans = this.#plans.get(to) ?? new Map<NodeId, PlanMessage>()
    if (plan.paths.length === 0 && plans.size > 0) return
    plans.set(server, plan)
    for (const other of plans.keys()) if (!this.#servers.includes(other)) plans.delete(other)
    this.#plans.set(to, plans)
    this.#use(to, plans)
    for (const [member, destinations] of this.#served) if (destinations.has(to)) this.#pass(member, to)
  }

  // ---- on behalf of the nodes of the site

  /** False if that node asks for too much. */
  serve(member: NodeId, to: NodeId): boolean {
    const destinations = this.#served.get(member) ?? new Set<NodeId>()
    if (destinations.size >= SERVED_MAX && !destinations.has(to)) return false
    this.#served.set(member, destinations.add(to))
    for (const server of this.#servers) if (server !== member) this.#out.send(server, { type: 'planRequest', to })
    this.#pass(member, to)
    return true
  }

  unserve(member: NodeId, to: NodeId): void {
    this.#served.get(member)?.delete(to)
    if (!new Set(this.#out.wanted()).has(to)) this.unwant(to)
  }

  forget(member: NodeId): void {
    const destinations = this.#served.get(member) ?? []
    this.#served.delete(member)
    for (const to of destinations) this.unserve(member, to)
  }

  /** What we know of the way, with ourselves at its head; nothing that leads through the asker, or through us again. */
  #pass(member: NodeId, to: NodeId): void {
    const ownMs = this.#out.linkCost(member) ?? 0
    const direct = this.#out.linkCost(to)
    const plans = [...(this.#plans.get(to)?.values() ?? [])]
    const known = plans.flatMap(({ paths }) => paths)
    const paths = (direct === undefined ? known : [{ route: [to], costMs: direct, impaired: false }, ...known])
      .filter(({ route }) => !route.includes(member) && !route.includes(this.#self.id) && route.length < LIMITS.routeHopsMax)
      .map(({ route, costMs, impaired }) => ({ route: [this.#self.id, ...route], costMs: costMs + ownMs, impaired }))
    if (paths.length === 0) return
    const names = [this.#self, ...plans.flatMap((plan) => plan.names)].slice(0, 64)
    this.#out.send(member, { type: 'plan', to, paths: paths.slice(0, PATHS_MAX), names })
  }

  // ---- inside

  #use(to: NodeId, plans: ReadonlyMap<NodeId, PlanMessage>): void {
    const all = [...plans.values()]
    this.#out.use(
      to,
      all.flatMap(({ paths }) => paths),
      all.flatMap(({ names }) => names),
    )
  }

  #isServed(to: NodeId): boolean {
    for (const destinations of this.#served.values()) if (destinations.has(to)) return true
    return false
  }

  #all(): Set<NodeId> {
    return new Set([...this.#out.wanted(), ...[...this.#served.values()].flatMap((destinations) => [...destinations])])
  }

  #cancelAll(server: NodeId): void {
    for (const to of this.#all()) this.#out.send(server, { type: 'planCancel', to })
  }
}
