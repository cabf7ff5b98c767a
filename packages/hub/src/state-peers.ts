/**
 * With whom a hub exchanges state: a hub of the core with every other of the core, directly; a hub of a lower tier, for all that
 * is below it, with one of the core, as the gateway of a site does.
 *
 *  1. Of two hubs of the core the one with the lower id opens the session.
 *  2. A hub of a lower tier has one session upwards, and none with others of its tier: state travels along a tree.
 */
import type { Instant, NodeId } from '@causeway/protocol'
import type { Mesh, Peer } from '@causeway/mesh'
import { HomeHub } from '@causeway/node'

export interface StatePeersParts {
  readonly self: NodeId
  /** We are a hub of a lower tier. */
  readonly isLower: boolean
  readonly mesh: Pick<Mesh, 'liveLinks' | 'isDraining' | 'nameOf'>
  readonly want: (now: Instant, peer: NodeId, relation: 'mesh' | 'up') => void
  readonly end: (now: Instant, peer: NodeId) => void
  readonly report: (event: string, data: Record<string, string>) => void
}

export class StatePeers {
  readonly #of: StatePeersParts
  readonly #home = new HomeHub()
  #upstream: NodeId | undefined

  constructor(parts: StatePeersParts) {
    this.#of = parts
  }

  /** No hub of the core can be reached from a lower tier. */
  get cutOff(): boolean {
    return this.#of.isLower && this.above().length === 0
  }

  linkUp(now: Instant, peer: Peer): void {
    const { isLower, self, want, end } = this.#of
    if (isLower) {
      if (!peer.hasParents) this.#home.linkUp(now)
    } else if (peer.hasParents) {
      // It may have been of the core when it was last here.
      end(now, peer.id)
    } else if (self < peer.id) want(now, peer.id, 'mesh')
  }

  linkDown(now: Instant, peer: NodeId): void {
    this.#home.linkDown(now, peer)
  }

  /** Hubs of the core that we have live links with, cheapest first; those that drain last. */
  above(): NodeId[] {
    const { mesh } = this.#of
    const hubs = mesh.liveLinks('hub').flatMap(({ peer }) => (peer.hasParents ? [] : [peer.id]))
    return hubs.toSorted((a, b) => Number(mesh.isDraining(a)) - Number(mesh.isDraining(b)))
  }

  decide(now: Instant): void {
    const { isLower, mesh, want, end, report } = this.#of
    if (!isLower || !this.#home.choose(now, this.above(), (hub) => mesh.isDraining(hub))) return
    if (this.#upstream !== undefined) end(now, this.#upstream)
    this.#upstream = this.#home.hub
    if (this.#upstream === undefined) return
    report('home-chosen', { hub: mesh.nameOf(this.#upstream) })
    want(now, this.#upstream, 'up')
  }

  nextWake(): Instant | undefined {
    return this.#of.isLower && !this.cutOff ? this.#home.nextWake() : undefined
  }
}
