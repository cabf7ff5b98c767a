/**
 * What it costs to get from one site to all others: the cheapest way over hubs, one way, for placement. One look over the
 * hubs serves all sites at once, where to ask for the path of each pair of sites would take as long as there are pairs.
 */
import { type Instant, type NodeId, after } from '@causeway/protocol'
import type { LinkState } from '@causeway/mesh'

/** Ways have at most so many hubs. */
const HUBS_MAX = 4
/** Of one site; a few are enough to know what a way costs. */
const NODES_MAX = 2
/** Costs are good for so long: many tasks come at once. */
const MEMORY_MS = 10_000

export interface WayCosts {
  /** Milliseconds, cheapest first; the site itself costs nothing. Sites that cannot be reached are not there. */
  from(now: Instant, site: string): ReadonlyMap<string, number>
  /** A site of which some hub sees a node. */
  knows(now: Instant, site: string): boolean
}

type Costs = ReadonlyMap<string, number>

export class LinkCosts implements WayCosts {
  readonly #links: LinkState
  readonly #self: { readonly id: NodeId; readonly site: string }
  readonly #memory = new Map<string, { readonly costs: Costs; readonly at: Instant }>()
  #version = -1
  /** Site → some of its nodes. */
  #nodes = new Map<string, NodeId[]>()
  /** Hub → site → cost of its cheapest link there. */
  #last = new Map<NodeId, Map<string, number>>()

  /** `self`: the hub that asks. */
  constructor(links: LinkState, self: { readonly id: NodeId; readonly site: string }) {
    this.#links = links
    this.#self = self
  }

  knows(now: Instant, site: string): boolean {
    this.#look(now)
    return this.#nodes.has(site)
  }

  from(now: Instant, site: string): Costs {
    const known = this.#memory.get(site)
    if (known && now < after(known.at, MEMORY_MS)) return known.costs
    this.#look(now)
    const costs = this.#costs(site)
    this.#memory.set(site, { costs, at: now })
    return costs
  }

  #costs(site: string): Costs {
    const costs = new Map([[site, 0]])
    for (const node of this.#nodes.get(site) ?? []) {
      const hubs = this.#hubsFrom(node, false)
      for (const [hub, costMs] of hubs.size > 0 ? hubs : this.#hubsFrom(node, true)) {
        for (const [to, lastMs] of this.#last.get(hub) ?? []) {
          if (costMs + lastMs < (costs.get(to) ?? Number.POSITIVE_INFINITY)) costs.set(to, costMs + lastMs)
        }
      }
    }
    return new Map([...costs].sort(([, a], [, b]) => a - b))
  }

  /** Each hub that the node can reach, and what that costs, in rounds of one more hub each. */
  #hubsFrom(node: NodeId, draining: boolean): ReadonlyMap<NodeId, number> {
    const graph = this.#links.graph(node, node)
    const cheapest = new Map<NodeId, number>([[node, 0]])
    let frontier = new Set([node])
    for (let hubs = 0; hubs <= HUBS_MAX && frontier.size > 0; hubs++) {
      const reached = new Set<NodeId>()
      for (const at of frontier) {
        for (const [hub, stepMs] of graph.relays(at) ?? []) {
          const costMs = (cheapest.get(at) ?? 0) + stepMs
          if (costMs >= (cheapest.get(hub) ?? Number.POSITIVE_INFINITY) || (!draining && graph.draining(hub))) continue
          cheapest.set(hub, costMs)
          reached.add(hub)
        }
      }
      frontier = reached
    }
    if (!this.#last.has(node)) cheapest.delete(node)
    return cheapest
  }

  #look(now: Instant): void {
    if (this.#version === this.#links.version) return
    this.#version = this.#links.version
    this.#nodes = new Map()
    this.#last = new Map()
    const adverts = this.#links.all(now)
    for (const { id, reachable } of this.#links.hubs()) if (reachable) this.#last.set(id, new Map())
    this.#add(this.#self.site, this.#self.id)
    for (const { origin, links } of adverts) {
      for (const { to, site, costMs } of links) {
        const last = this.#last.get(origin)
        last?.set(site, Math.min(costMs, last.get(site) ?? Number.POSITIVE_INFINITY))
        this.#add(site, to)
      }
    }
  }

  #add(site: string, node: NodeId): void {
    // Who has come to a hub is at its site.
    this.#last.get(node)?.set(site, 0)
    const nodes = this.#nodes.get(site)
    if (!nodes) this.#nodes.set(site, [node])
    else if (nodes.length < NODES_MAX && !nodes.includes(node)) nodes.push(node)
  }
}
