/**
 * Who of a site is its gateway: the first, by (can reach a hub, name), of the nodes that are linked with us, and we. Nodes
 * that see the same neighbours agree; on a split LAN each part has its own, which is legal. Each claim of ours has a higher
 * term than any that was heard of, so that hubs can order them.
 */
import type { NodeId } from '@causeway/protocol'

export interface Candidate {
  readonly id: NodeId
  readonly name: string
  readonly reaches: boolean
}

export class GatewayElection {
  readonly #self: NodeId
  #gateway: NodeId
  /** Of our claim; 0 before the first. */
  #claim = 0
  /** The highest that was heard of. */
  #highest = 0

  constructor(self: NodeId) {
    this.#self = self
    this.#gateway = self
  }

  get gateway(): NodeId {
    return this.#gateway
  }

  get isOurs(): boolean {
    return this.#gateway === this.#self
  }

  get claim(): number {
    return this.#claim
  }

  get highest(): number {
    return this.#highest
  }

  heard(term: number): void {
    this.#highest = Math.max(this.#highest, term)
  }

  /** The gateway, if it is another one now. */
  elect(candidates: readonly Candidate[]): Candidate | undefined {
    const [gateway] = candidates.toSorted((a, b) => Number(b.reaches) - Number(a.reaches) || (a.name < b.name ? -1 : 1))
    if (!gateway || (gateway.id === this.#gateway && this.#claim > 0)) return undefined
    const changed = gateway.id !== this.#gateway
    this.#gateway = gateway.id
    if (this.isOurs) this.#claim = ++this.#highest
    return changed ? gateway : undefined
  }
}
