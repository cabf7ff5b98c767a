/**
 * Whom to dial, and when. Every configured address is a target; a target that leads to a live link rests, the others
 * are dialled for ever, with full jitter between 0.2 s and a ceiling (Brooker, "Exponential backoff and jitter", AWS
 * Architecture Blog, 2015).
 *
 *  1. A target is dialled at most once at a time.
 *  2. No more hubs are held or tried at once than `uplinks` says, not counting those that drain; which, is the order of the config.
 *  3. A target whose node is already linked is not dialled, whoever dialled whom.
 */
import { type Instant, type NodeId, type Random, after, earliest } from '@causeway/protocol'

const BACKOFF_FLOOR_MS = 200
const BACKOFF_CEILING_MS = 30_000
/** While no link is up at all, being back soon matters more than the load on hubs. */
const BACKOFF_CEILING_ALONE_MS = 8_000

interface Target {
  readonly address: string
  /** Others at which the node behind it has said that it may be dialled. */
  others: readonly string[]
  readonly kind: 'hub' | 'peer'
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
  readonly #uplinks: number
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

  connected(address: string): void {
    const target = this.#find(address)
    if (target) target.state = 'connected'
  }

  /** The node behind an address has shown who it is, and told where else it may be dialled. */
  identified(address: string, node: NodeId | 'self', addresses: readonly string[] = []): void {
    const target = this.#find(address)
    if (!target) return
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
    const ceiling = Math.min(BACKOFF_FLOOR_MS * 2 ** target.failures, alone ? BACKOFF_CEILING_ALONE_MS : BACKOFF_CEILING_MS)
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
