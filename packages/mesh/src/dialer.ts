/**
 * Whom to dial, and when. Every configured address is a target, every hub and every node of the site that has been heard of, and
 * every node elsewhere that has agreed to a direct link. A target that leads to a live link rests, the others are dialled for ever,
 * with full jitter between 0.2 s and a ceiling (Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).
 *
 *  1. A target is dialled at most once at a time.
 *  2. No more hubs are held or tried at once than `uplinks` says, not counting those that drain; which, is the order of the config,
 *     and after it that in which they were told of.
 *  3. A target whose node is already linked is not dialled, whoever dialled whom.
 *  4. At most `LEARNED_MAX` nodes of the site are learned of, each with its newest addresses. Nodes elsewhere are bounded, and
 *     taken back, by who asks for them; nobody else will do at their addresses.
 *  5. A node with several local addresses (`bind`) has a set of `uplinks` hubs for each: a hub is dialled from its own first, from
 *     the others if that does not answer, and from its own again after a while, so that no local line has them all.
 *  6. Why a target cannot be had is told once, until it could be had or the reason is another.
 */
import { DIALLED_SELF, type Instant, type NodeId, type Random, after, earliest, instant, jittered } from '@causeway/protocol'

const BACKOFF_FLOOR_MS = 200
const BACKOFF_CEILING_MS = 30_000
/** While no link is up at all, being back soon matters more than the load on hubs. */
const BACKOFF_CEILING_ALONE_MS = 8_000
/** A LAN that was split should be whole again soon after it is; but nobody tries more than about one node of his site a second. */
const BACKOFF_CEILING_NEAR_MS = 2_000
/** There is another way: that one is back soon does not matter, and the address may never answer. */
const BACKOFF_CEILING_DIRECT_MS = 60_000
/** A hub that is not held from its own local address is tried from there so often, ± half of it. */
const RETURN_MS = 30_000
/** The other nodes of a site. */
const LEARNED_MAX = 63
/** bound: hubs that are told of */
const HUBS_LEARNED_MAX = 64

interface Target {
  address: string
  /** Others at which the node behind it has said that it may be dialled. */
  others: readonly string[]
  readonly kind: 'hub' | 'peer' | 'direct'
  /** Not of the config: who is meant is known. */
  readonly learned: boolean
  /** `returning`: connected, and dialled once more from its own local address. */
  state: 'idle' | 'dialling' | 'connected' | 'returning'
  /** Who answers there, once known; `self` if it is us. */
  node: NodeId | 'self' | undefined
  failures: number
  /** Why it could not be had the last time, and what was told of it; unset once it could. */
  fault: string | undefined
  notBefore: Instant
  /** Places in `bind`: its own local address, and the one that it is held from. */
  readonly home: number
  from: number
  /** When to try it from its own, if it is held from another. */
  returnAt: Instant
}

export interface Dial {
  readonly address: string
  readonly others: readonly string[]
  /** The local addresses to dial from, the first that works. @default any */
  readonly from?: readonly string[]
}

/** A node, and where it can be dialled. */
export interface Whereabouts {
  readonly node: NodeId
  readonly addresses: readonly string[]
}

export interface DialerConfig {
  readonly hubs: readonly string[]
  readonly peers: readonly string[]
  readonly uplinks: number
  /** Local addresses to dial hubs from, with `uplinks` for each. @default any, with `uplinks` in all */
  readonly bind?: readonly string[]
  readonly random: Random
}

export class Dialer {
  #targets: Target[]
  #uplinks: number
  readonly #bind: readonly string[]
  readonly #random: Random
  readonly #draining = new Set<NodeId>()
  /** Addresses that were dialled when their node was forgotten. */
  readonly #recanted = new Set<string>()

  constructor(now: Instant, config: DialerConfig) {
    const sets = Math.max(1, config.bind?.length ?? 0)
    const hubs = [...new Set(config.hubs)].map((address, index) => targetOf(now, 'hub', address, index % sets))
    this.#targets = [...hubs, ...[...new Set(config.peers)].map((address) => targetOf(now, 'peer', address))]
    this.#uplinks = config.uplinks
    this.#bind = config.bind ?? []
    this.#random = config.random
  }

  /** How many hubs to hold or try from now on (for each local address). Those that are linked stay until somebody ends the link. */
  setUplinks(uplinks: number): void {
    this.#uplinks = uplinks
  }

  /** A node is to be linked with, and may be dialled at these addresses from then on; what was learned of it before is void. */
  learn(notBefore: Instant, node: NodeId, addresses: readonly string[], kind: 'peer' | 'direct' = 'peer'): void {
    const [address, ...others] = addresses
    if (address === undefined) return
    const alike = this.#targets.filter((target) => target.learned && target.kind === kind)
    const known = alike.find((target) => target.node === node)
    if (known) relocate(known, notBefore, addresses)
    if (known || this.#find(address) || (kind === 'peer' && alike.length >= LEARNED_MAX)) return
    this.#targets.push({ ...targetOf(notBefore, kind, address), others, node, learned: true })
  }

  /** There shall be no direct link with that node any more; a dial that is under way leads to nobody. */
  forget(node: NodeId): void {
    const gone = this.#targets.filter((target) => target.kind === 'direct' && target.node === node)
    for (const { state, address } of gone) if (state !== 'idle') this.#recanted.add(address)
    this.#targets = this.#targets.filter((target) => !gone.includes(target))
  }

  /**
   * All hubs that are told of now, the preferred first. Those of the config stay before them, and what is held stays held; one that
   * has moved is dialled where it is now, too.
   */
  learnHubs(notBefore: (hub: NodeId) => Instant, hubs: readonly Whereabouts[]): void {
    const learned = this.#targets.filter((target) => target.kind === 'hub' && target.learned)
    const others = this.#targets.filter((target) => !learned.includes(target))
    for (const { node, addresses } of hubs) {
      const named = others.find((target) => target.kind === 'hub' && target.node === node)
      if (named && addresses.length > 0) relocate(named, notBefore(node), addresses)
    }
    const named = ({ node, addresses }: Whereabouts): boolean =>
      others.some((target) => (target.kind === 'hub' && target.node === node) || addresses.includes(target.address))
    const told = hubs.filter((hub) => hub.addresses.length > 0 && !named(hub)).slice(0, HUBS_LEARNED_MAX)
    const targets = told.map((hub, index) => {
      const [address = '', ...rest] = hub.addresses
      const known = learned.find(({ node }) => node === hub.node)
      if (known) relocate(known, notBefore(hub.node), hub.addresses)
      const home = index % Math.max(1, this.#bind.length)
      return known ?? { ...targetOf(notBefore(hub.node), 'hub', address, home), others: rest, node: hub.node, learned: true }
    })
    const held = learned.filter((target) => target.state !== 'idle' && !targets.includes(target))
    this.#targets = [...others, ...targets, ...held]
  }

  /** `from`: the local address that worked. */
  connected(now: Instant, address: string, from?: string): void {
    const target = this.#find(address)
    if (!target) return
    target.state = 'connected'
    if (from === undefined) return
    target.from = this.#bind.indexOf(from)
    this.#returnLater(now, target)
  }

  /** The node behind an address has shown who it is, and told where else it may be dialled. False if it is not who is looked for. */
  identified(address: string, node: NodeId, addresses: readonly string[] = []): boolean {
    const target = this.#find(address)
    if (!target) return !this.#recanted.has(address)
    // What was learned says who is meant, and where else it is; somebody else may have that address in another machine room.
    if (target.learned) return target.kind !== 'direct' || target.node === node
    target.node = node
    target.others = addresses.filter((other) => other !== address)
    return true
  }

  /** The link that came of this address works. */
  worked(address: string): void {
    const target = this.#find(address)
    if (target) Object.assign(target, { failures: 0, fault: undefined })
  }

  /** The link with a node of our site is up, whoever dialled: what kept it from us perhaps kept others, who are tried soon. */
  regained(now: Instant, node: NodeId): void {
    for (const target of this.#lostPeers())
      if (target.node === node) target.failures = 0
      else target.notBefore = instant(Math.min(target.notBefore, now + this.#random.float() * BACKOFF_CEILING_NEAR_MS))
  }

  /** Why an address leads to no link, for people. True if that is news: a list of hubs that names us as well is no fault. */
  blame(address: string, reason: string): boolean {
    const target = this.#find(address)
    if (target && reason === DIALLED_SELF && target.kind !== 'direct') target.node = 'self'
    if (reason === DIALLED_SELF) return false
    if (!target || target.fault === reason) return false
    target.fault = reason
    return true
  }

  /** Addresses of the config that cannot be had, and why not. `linked` tells whether a connection with that node stands. */
  unreached(linked: (node: NodeId) => boolean): { readonly address: string; readonly reason: string }[] {
    return this.#targets.flatMap(({ address, learned, node, fault }) =>
      fault === undefined || learned || node === 'self' || (typeof node === 'number' && linked(node)) ? [] : [{ address, reason: fault }],
    )
  }

  /** A hub that wants to be left is held, but does not count: another may be dialled in its place. */
  setDraining(hub: NodeId, draining: boolean): void {
    if (draining) this.#draining.add(hub)
    else this.#draining.delete(hub)
  }

  failed(now: Instant, address: string, alone: boolean): void {
    this.#recanted.delete(address)
    const target = this.#find(address)
    if (!target) return
    // Of the two that a returning one has, the other is left.
    target.state = target.state === 'returning' ? 'connected' : 'idle'
    const hub = alone ? BACKOFF_CEILING_ALONE_MS : BACKOFF_CEILING_MS
    const { failures } = target
    target.failures = Math.min(failures + 1, 16)
    const ceilings = { hub, peer: BACKOFF_CEILING_NEAR_MS * this.#lostPeers().length, direct: BACKOFF_CEILING_DIRECT_MS }
    const ceiling = Math.min(BACKOFF_FLOOR_MS * 2 ** failures, ceilings[target.kind])
    target.notBefore = after(now, BACKOFF_FLOOR_MS / 2 + this.#random.float() * ceiling)
    this.#returnLater(now, target)
  }

  /** What to dial now. `linked` tells whether a connection with that node stands. */
  takeDue(now: Instant, linked: (node: NodeId) => boolean): Dial[] {
    const due: Dial[] = []
    // Asked all the time: mostly everybody is linked with us who should be.
    let held: Map<number, number> | undefined
    for (const target of this.#targets) {
      if (isStray(target) && target.returnAt <= now) {
        target.state = 'returning'
        due.push(this.#dialOf(target, 1))
        continue
      }
      if (target.notBefore > now || !this.#wanted(target, linked)) continue
      held ??= this.#held(linked)
      const count = held.get(target.home) ?? 0
      if (target.kind === 'hub' && count >= this.#uplinks) continue
      if (target.kind === 'hub') held.set(target.home, count + 1)
      target.state = 'dialling'
      due.push(this.#dialOf(target, this.#bind.length))
    }
    return due
  }

  nextWake(linked: (node: NodeId) => boolean): Instant | undefined {
    let held: Map<number, number> | undefined
    let next: Instant | undefined
    for (const target of this.#targets) {
      if (isStray(target)) next = earliest(next, target.returnAt)
      if (!this.#wanted(target, linked)) continue
      if (target.kind === 'hub' && ((held ??= this.#held(linked)).get(target.home) ?? 0) >= this.#uplinks) continue
      next = earliest(next, target.notBefore)
    }
    return next
  }

  /** Hubs that are held, or tried, by their own local address. */
  #held(linked: (node: NodeId) => boolean): Map<number, number> {
    const held = new Map<number, number>()
    // One may be named by the config and told of as well.
    const counted = new Set<Target['node']>()
    for (const target of this.#targets) {
      const { kind, node, home } = target
      const counts = kind === 'hub' && !(typeof node === 'number' && (this.#draining.has(node) || counted.has(node)))
      if (!counts || !this.#busy(target, linked)) continue
      counted.add(node)
      held.set(home, (held.get(home) ?? 0) + 1)
    }
    return held
  }

  /** Nodes of the site that do not answer. */
  #lostPeers(): Target[] {
    return this.#targets.filter(({ kind, state, failures }) => kind === 'peer' && state !== 'connected' && failures > 0)
  }

  #returnLater(now: Instant, target: Target): void {
    target.returnAt = after(now, jittered(this.#random, RETURN_MS, 0.5))
  }

  /** From so many local addresses, its own first. */
  #dialOf({ kind, address, others, home }: Target, locals: number): Dial {
    const from = [...this.#bind.slice(home), ...this.#bind.slice(0, home)].slice(0, locals)
    return { address, others, ...(kind === 'hub' && from.length > 0 && { from }) }
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

/** It is held, but not from its own local address. */
function isStray({ state, home, from }: Target): boolean {
  return state === 'connected' && from !== home
}

/** Told where its node is now. The address of the config, or of a dial under way, is still what it is known by. */
function relocate(target: Target, notBefore: Instant, addresses: readonly string[]): void {
  const before = [target.address, ...target.others]
  const address = target.learned && target.state === 'idle' ? (addresses[0] ?? target.address) : target.address
  Object.assign(target, { address, others: addresses.filter((other) => other !== address) })
  if (addresses.every((each) => before.includes(each))) return
  target.failures = 0
  if (notBefore < target.notBefore) target.notBefore = notBefore
}

function targetOf(notBefore: Instant, kind: Target['kind'], address: string, home = 0): Target {
  const fresh = { others: [], learned: false, state: 'idle', node: undefined, failures: 0, fault: undefined } as const
  return { ...fresh, address, kind, notBefore, home, from: home, returnAt: notBefore }
}
