/**
 * Whom to dial, and when. Every configured address is a target, and every node of the site that has been heard of; a target that leads to a live link rests, the others
 * are dialled for ever, with full jitter between 0.2 s and a ceiling (Brooker, "Exponential backoff and jitter", AWS
 * Architecture Blog, 2015).
 *
 *  1. A target is dialled at most once at a time.
 *  2. No more hubs are held or tried at once than `uplinks` says, not counting those that drain; which, is the order of the config.
 *  3. A target whose node is already linked is not dialled, whoever dialled whom.
 *  4. At most `LEARNED_MAX` nodes are learned of, each with its newest addresses.
 */
import { type Instant, type NodeId, type Random, after, earliest } from '@causeway/protocol'

const BACKOFF_FLOOR_MS = 200
const BACKOFF_CEILING_MS = 30_000
/** While no link is up at all, being back soon matters more than the load on hubs. */
const BACKOFF_CEILING_ALONE_MS = 8_000
/** A LAN that was split should be whole again soon after it is. */
const BACKOFF_CEILING_NEAR_MS = 2_000
/** The other nodes of a site. */
const LEARNED_MAX = 63

interface Target {
  address: string
  /** Others at which the node behind it has said that it may be dialled. */
  others: readonly string[]
  readonly kind: 'hub' | 'peer' | 'learned'
  state: 'idle' | 'dialling' | 'connected'
  /** Who answers there, once known; `self` if it is us. */
  node: NodeId | 'self' | undefined
  failures: number
  notBefore: Instant
}

export interface DialerConfig {
  readonly hubs: readonly string[]
  readonly peers: readonly string[]
  readonly uplinks: number
  readonly random: Random
}

export class Dialer {
  readonly #targets: Target[]
  #uplinks: number
  readonly #random: Random
  readonly #draining = new Set<NodeId>()

  constructor(now: Instant, config: DialerConfig) {
    const target =
      (kind: Target['kind']) =>
      (address: string): Target => ({ address, others: [], kind, state: 'idle', node: undefined, failures: 0, notBefore: now })
    this.#targets = [...new Set(config.hubs)].map(target('hub')).concat([...new Set(config.peers)].map(target('peer')))
    this.#uplinks = config.uplinks
    this.#random = config.random
  }

  /** How many hubs to hold or try from now on. Those that are linked stay until somebody ends the link. */
  setUplinks(uplinks: number): void {
    this.#uplinks = uplinks
  }

  /** A node is to be linked with, and may be dialled at these addresses from then on; what was learned of it before is void. */
  learn(notBefore: Instant, node: NodeId, addresses: readonly string[]): void {
    const [address, ...others] = addresses
    if (address === undefined) return
    const known = this.#targets.find((target) => target.kind === 'learned' && target.node === node)
    if (known?.state === 'idle') Object.assign(known, { address, others })
    if (known || this.#find(address) || this.#targets.filter(({ kind }) => kind === 'learned').length >= LEARNED_MAX) return
    this.#targets.push({ address, others, kind: 'learned', state: 'idle', node, failures: 0, notBefore })
  }

  connected(address: string): void {
    const target = this.#find(address)
    if (target) target.state = 'connected'
  }

  /** The node behind an address has shown who it is, and told where else it may be dialled. */
  identified(address: string, node: NodeId | 'self', addresses: readonly string[] = []): void {
    const target = this.#find(address)
    // What was learned says who is meant, and where else it is; somebody else may have that address in another machine room.
    if (!target || target.kind === 'learned') return
    target.node = node
    target.others = addresses.filter((other) => other !== address)
  }

  /** The link that came of this address works. */
  worked(address: string): void {
    const target = this.#find(address)
    if (target) target.failures = 0
  }

  /** A hub that wants to be left is held, but does not count: another may be dialled in its place. */
  setDraining(hub: NodeId, draining: boolean): void {
    if (draining) this.#draining.add(hub)
    else this.#draining.delete(hub)
  }

  failed(now: Instant, address: string, alone: boolean): void {
    const target = this.#find(address)
    if (!target) return
    target.state = 'idle'
    const ofHubs = alone ? BACKOFF_CEILING_ALONE_MS : BACKOFF_CEILING_MS
    const ceiling = Math.min(BACKOFF_FLOOR_MS * 2 ** target.failures, target.kind === 'hub' ? ofHubs : BACKOFF_CEILING_NEAR_MS)
    target.failures = Math.min(target.failures + 1, 16)
    target.notBefore = after(now, BACKOFF_FLOOR_MS / 2 + this.#random.float() * ceiling)
  }

  /** What to dial now. `linked` tells whether a connection with that node stands. */
  takeDue(now: Instant, linked: (node: NodeId) => boolean): Pick<Target, 'address' | 'others'>[] {
    const due: Target[] = []
    let held = this.#held(linked)
    for (const target of this.#targets) {
      if (!this.#wanted(target, linked) || target.notBefore > now) continue
      if (target.kind === 'hub' && held >= this.#uplinks) continue
      if (target.kind === 'hub') held++
      target.state = 'dialling'
      due.push(target)
    }
    return due
  }

  nextWake(linked: (node: NodeId) => boolean): Instant | undefined {
    const held = this.#held(linked)
    let next: Instant | undefined
    for (const target of this.#targets) {
      if (!this.#wanted(target, linked) || (target.kind === 'hub' && held >= this.#uplinks)) continue
      next = earliest(next, target.notBefore)
    }
    return next
  }

  #held(linked: (node: NodeId) => boolean): number {
    const counts = ({ kind, node }: Target): boolean => kind === 'hub' && !(typeof node === 'number' && this.#draining.has(node))
    return this.#targets.filter((target) => counts(target) && this.#busy(target, linked)).length
  }

  #busy(target: Target, linked: (node: NodeId) => boolean): boolean {
    return target.state !== 'idle' || (typeof target.node === 'number' && linked(target.node))
  }

  #wanted(target: Target, linked: (node: NodeId) => boolean): boolean {
    return target.node !== 'self' && !this.#busy(target, linked)
  }

  #find(address: string): Target | undefined {
    return this.#targets.find((target) => target.address === address)
  }
}
