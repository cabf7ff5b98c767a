/**
 * The associations there are: by index for what arrives, by peer for what is sent. Chooses the one to send with, retires
 * those that are replaced, and forgets what is old, idle or too much.
 *
 *  1. All associations of a peer are with one process of it: the one that was proved alive last.
 *  2. Only a confirmed association replaces others, and those stay good for receiving for 60 s.
 *  3. Its size is bounded, in all and per peer; the least recently used goes first.
 */
import { type Instant, type NodeId, type Random } from '@causeway/protocol'
import { Association, chooseForSending, usableSince } from './association.ts'
import type { Identity } from './handshake-identity.ts'
import type { Agreed } from './handshakes.ts'

/** bound: about 7 kB each, 2 of them the replay window. An edge that talks to all nodes of a large network has two for each. */
const ASSOCIATIONS_MAX = 8_192
/** bound: one for each end that opens, and those that they replace. */
const PER_PEER_MAX = 4
/** Incarnations are remembered for longer than associations: a few bytes each. */
const LIVES_MAX = 2 * ASSOCIATIONS_MAX
/** Two that were confirmed within so long of each other come of opening at both ends: neither replaces the other. */
const SIDE_BY_SIDE_MS = 10_000

interface PeerAssociations {
  readonly all: Association[]
  sending: Association | undefined
}

/** Which process of a peer was proved alive, and after which moment. */
interface Life {
  readonly incarnation: number
  readonly aliveAt: Instant
}

export class AssociationTable {
  readonly #random: Random
  readonly #byIndex = new Map<number, Association>()
  readonly #peers = new Map<NodeId, PeerAssociations>()
  readonly #lives = new Map<NodeId, Life>()

  constructor(random: Random) {
    this.#random = random
  }

  get size(): number {
    return this.#byIndex.size
  }

  at(index: number): Association | undefined {
    return this.#byIndex.get(index)
  }

  sendingTo(peer: NodeId): Association | undefined {
    return this.#peers.get(peer)?.sending
  }

  of(peer: NodeId): readonly Association[] {
    return this.#peers.get(peer)?.all ?? []
  }

  /** Messages of a process that died may arrive after those of its successor: the later proof of life counts. */
  isCurrent({ id, incarnation }: Identity, aliveAt: Instant): boolean {
    const life = this.#lives.get(id)
    return life === undefined || life.incarnation === incarnation || aliveAt >= life.aliveAt
  }

  /** True if the peer is another process than before; then all associations with the former one are gone. */
  add(now: Instant, agreed: Agreed): boolean {
    const { id, incarnation, credential } = agreed.identity
    const before = this.#lives.get(id)
    const restarted = before !== undefined && before.incarnation !== incarnation
    if (restarted) for (const association of [...this.of(id)]) this.remove(association)
    this.#noteLife(id, { incarnation, aliveAt: agreed.aliveAt })
    this.#makeRoom(id)
    const { initiator, index, remoteIndex, keys } = agreed
    const association = new Association(now, { peer: id, credential, incarnation, initiator, index, remoteIndex, keys }, this.#random)
    this.#byIndex.set(index, association)
    const peer = this.#peers.get(id) ?? { all: [], sending: undefined }
    this.#peers.set(id, peer)
    peer.all.push(association)
    if (!initiator) this.#retireOthers(now, association)
    peer.sending = chooseForSending(peer.all)
    return restarted
  }

  /** The peer has sealed something with it. */
  proved(now: Instant, association: Association): void {
    association.doubted = false
    if (association.confirmedAt === undefined) {
      association.confirmedAt = now
      this.#retireOthers(now, association)
    }
    this.#chooseAgain(association)
  }

  doubt(association: Association): void {
    association.doubted = true
    this.#chooseAgain(association)
  }

  remove(association: Association): void {
    const { index, peer: id } = association.init
    this.#byIndex.delete(index)
    const peer = this.#peers.get(id)
    if (!peer) return
    peer.all.splice(peer.all.indexOf(association), 1)
    peer.sending = chooseForSending(peer.all)
    if (peer.all.length === 0) this.#peers.delete(id)
  }

  /** Removes what has had its time. */
  tidy(now: Instant): void {
    for (const association of this.#byIndex.values()) if (association.isOver(now)) this.remove(association)
  }

  #retireOthers(now: Instant, newer: Association): void {
    for (const each of this.of(newer.init.peer)) {
      if (each !== newer && usableSince(each) < usableSince(newer) - SIDE_BY_SIDE_MS) each.retiredAt ??= now
    }
  }

  #chooseAgain(association: Association): void {
    const peer = this.#peers.get(association.init.peer)
    if (peer) peer.sending = chooseForSending(peer.all)
  }

  #makeRoom(id: NodeId): void {
    const ofPeer = this.of(id)
    const crowded = ofPeer.length >= PER_PEER_MAX ? ofPeer : this.size >= ASSOCIATIONS_MAX ? this.#byIndex.values() : []
    let oldest: Association | undefined
    for (const each of crowded) if (!oldest || each.usedAt < oldest.usedAt) oldest = each
    if (oldest) this.remove(oldest)
  }

  #noteLife(id: NodeId, life: Life): void {
    const before = this.#lives.get(id)
    const aliveAt = before?.incarnation === life.incarnation && before.aliveAt > life.aliveAt ? before.aliveAt : life.aliveAt
    this.#lives.delete(id)
    this.#lives.set(id, { incarnation: life.incarnation, aliveAt })
    if (this.#lives.size <= LIVES_MAX) return
    const [oldest] = this.#lives.keys()
    if (oldest !== undefined) this.#lives.delete(oldest)
  }
}
