/**
 * All associations of a node: has them made when they are wanted, seals what is sent, opens what arrives, and replaces
 * them in time. Both ends may open at once, paths may lose, repeat and reorder anything, either process may be replaced
 * at any moment: what is lost is repeated until something sealed has come back.
 *
 * A part, not a machine: its owner calls it with what happened and collects the effects.
 *
 *  1. Nothing that is not authenticated ends an association: not a forged handshake, not an `unknown`. An `unknown` makes
 *     one handshake a second at most, and if that succeeds, its keys are used.
 *  2. What strangers can make this node keep or compute is bounded (`HalfOpens`, the bounds in `handshakes.ts`).
 *  3. What was sealed is handed out at most once.
 */
import { AEAD_TAG_BYTES, type Credential, type Instant, type NodeId, after, earliest } from '@causeway/protocol'
import type { Association } from './association.ts'
import { type HandshakePacket, SEALED_HEADER_BYTES, readHandshake, sealedBytes, sealedIndex, writeHandshake } from './association-packet.ts'
import { AssociationTable } from './association-table.ts'
import { type Agreed, type HandshakeDrop, type HandshakeEffect, Handshakes, type HandshakesConfig, REPEAT_MS } from './handshakes.ts'

/** How often an `unknown` in the name of a peer may make a handshake. */
const DOUBT_MS = 1_000
/** Nobody is told `unknown` more often. */
const UNKNOWN_MS = 100
/** bound: sources whose last `unknown` is remembered; with more, some are told more often. */
const UNKNOWN_SOURCES_MAX = 1_024
const TIDY_MS = 5_000

export type AssociationsEffect =
  | HandshakeEffect
  /** New keys. `restarted`: with another process of the peer than before; the one before is gone for sure. */
  | {
      readonly type: 'associated'
      readonly peer: NodeId
      readonly credential: Credential
      readonly incarnation: number
      readonly restarted: boolean
    }

export type AssociationDrop = HandshakeDrop | 'malformed' | 'replayed'

/** What a peer sealed for us. */
export interface OpenedPacket {
  readonly peer: NodeId
  readonly incarnation: number
  readonly packet: Uint8Array
}

export type AssociationsConfig = HandshakesConfig

export class Associations {
  readonly #self: NodeId
  readonly #table: AssociationTable
  readonly #handshakes: Handshakes
  readonly #dropped = new Map<AssociationDrop, number>()
  /** When an `unknown` last made a handshake, by peer; when one was last said, by claimed source. */
  readonly #doubtedAt = new Map<NodeId, Instant>()
  readonly #toldAt = new Map<NodeId, Instant>()
  #tidyAt: Instant
  #effects: AssociationsEffect[] = []

  constructor(now: Instant, config: AssociationsConfig) {
    this.#self = config.self
    this.#tidyAt = after(now, TIDY_MS)
    this.#table = new AssociationTable(config.random)
    this.#handshakes = new Handshakes(config, {
      isTaken: (index) => this.#table.at(index) !== undefined,
      isCurrent: (identity, aliveAt) => this.#table.isCurrent(identity, aliveAt),
      emit: (effect) => this.#effects.push(effect),
      drop: (reason) => this.#drop(reason),
    })
  }

  // ---- what is known

  get size(): number {
    return this.#table.size
  }

  /** Handshakes that others began and have not finished. */
  get halfOpen(): number {
    return this.#handshakes.halfOpen
  }

  /** What arrived and was not taken, by reason. */
  get dropped(): ReadonlyMap<AssociationDrop, number> {
    return this.#dropped
  }

  /** Whether something can be sealed for that peer. */
  ready(peer: NodeId): boolean {
    return this.#table.sendingTo(peer) !== undefined
  }

  /** What that peer has shown of itself; `undefined` if there is no association with it. */
  credentialOf(peer: NodeId): Credential | undefined {
    return this.#table.of(peer)[0]?.init.credential
  }

  // ---- sending

  /** To be repeated, at least once a minute, as long as there is need of an association. */
  want(now: Instant, peer: NodeId): void {
    if (peer === this.#self) return
    const sending = this.#table.sendingTo(peer)
    if (sending) sending.usedAt = now
    if (this.#handshakes.isOpening(peer) || this.#lacksKeys(now, peer)) this.#handshakes.want(now, peer)
  }

  /**
   * Seals `frame[from, to)` in place for that peer, with `SEALED_HEADER_BYTES` before it and `AEAD_TAG_BYTES` behind (see
   * `sealedBytes`). False if there is no association to seal with: then nothing is changed, and one should be wanted.
   */
  seal(now: Instant, peer: NodeId, frame: Uint8Array, from: number, to: number): boolean {
    const association = this.#table.sendingTo(peer)
    if (!association) return false
    association.seal(now, frame, from, to)
    if (association.isWorn(now) && this.#lacksKeys(now, peer)) this.#handshakes.want(now, peer)
    return true
  }

  // ---- what happens

  /** There may be a way to that peer now that there was not: handshakes with it make their next attempt soon. */
  pathsChanged(now: Instant, peer: NodeId): void {
    this.#handshakes.hurry(now, peer)
  }

  /**
   * The body of a frame has come to its destination; `wayBack` leads from here to its source. Hands out what was sealed in
   * it. The source is what the frame says; the peer is who sealed it, and they are the same or the packet is dropped.
   */
  receive(now: Instant, body: Uint8Array, wayBack: readonly NodeId[]): OpenedPacket | undefined {
    const index = sealedIndex(body)
    const source = wayBack.at(-1)
    if (index === undefined || source === undefined) return this.#drop('malformed')
    if (index !== 0) return this.#sealed(now, index, body, wayBack, source)
    const packet = readHandshake(body)
    if (!packet) return this.#drop('malformed')
    this.#handshake(now, packet, wayBack, source)
    return undefined
  }

  wake(now: Instant): void {
    this.#handshakes.wake(now)
    if (now < this.#tidyAt) return
    this.#tidyAt = after(now, TIDY_MS)
    this.#table.tidy(now)
    for (const [peer, at] of this.#doubtedAt) if (now - at >= DOUBT_MS) this.#doubtedAt.delete(peer)
  }

  nextWake(): Instant | undefined {
    const busy = this.#table.size > 0 || this.#handshakes.halfOpen > 0
    return earliest(this.#handshakes.nextWake(), busy ? this.#tidyAt : undefined)
  }

  takeEffects(): AssociationsEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  // ---- inside

  /** Whether a handshake is due: what is in use is worn or doubted, and no newer keys wait for the peer's confirmation. */
  #lacksKeys(now: Instant, peer: NodeId): boolean {
    const sending = this.#table.sendingTo(peer)
    if (!sending) return true
    if (!sending.isWorn(now) && !sending.doubted) return false
    return this.#table.of(peer).every((each) => each.confirmedAt !== undefined || each.doubted)
  }

  #sealed(now: Instant, index: number, body: Uint8Array, wayBack: readonly NodeId[], source: NodeId): OpenedPacket | undefined {
    const association = this.#table.at(index)
    if (!association) {
      if (!this.#handshakes.sealedEarly(now, index, wayBack, source)) this.#tellUnknown(now, index, wayBack, source)
      return this.#drop('unknown-index')
    }
    const { peer, incarnation } = association.init
    if (source !== peer) return this.#drop('misrouted')
    const packet = association.open(now, body)
    if (typeof packet === 'string') return this.#drop(packet)
    if (association.confirmedAt === undefined || association.doubted) {
      this.#table.proved(now, association)
      this.#handshakes.confirmed(index)
    }
    return packet.length === 0 ? undefined : { peer, incarnation, packet }
  }

  #handshake(now: Instant, packet: HandshakePacket, wayBack: readonly NodeId[], source: NodeId): void {
    switch (packet.kind) {
      case 'first':
        this.#handshakes.first(now, packet, wayBack, source)
        break
      case 'second': {
        const agreed = this.#handshakes.second(now, packet, wayBack, source)
        if (agreed) this.#agreed(now, agreed)
        break
      }
      case 'third':
        this.#third(now, packet, wayBack, source)
        break
      case 'unknown':
        this.#unknown(now, packet.receiver, source)
    }
  }

  #third(now: Instant, packet: HandshakePacket, wayBack: readonly NodeId[], source: NodeId): void {
    const known = this.#table.at(packet.receiver)
    if (known) return this.#confirm(now, known, wayBack, source)
    const agreed = this.#handshakes.third(now, packet, source)
    if (agreed === 'unknown') {
      this.#tellUnknown(now, packet.receiver, wayBack, source)
      this.#drop('unknown-index')
    } else if (agreed) {
      this.#agreed(now, agreed)
      this.#handshakes.cancel(source)
      const association = this.#table.at(agreed.index)
      if (association) this.#confirm(now, association, wayBack, source)
    }
  }

  /** Tells the initiator that its message 3 has arrived, by a packet with nothing in it. */
  #confirm(now: Instant, association: Association, wayBack: readonly NodeId[], source: NodeId): void {
    const { peer, initiator } = association.init
    if (initiator || source !== peer) return this.#drop('misrouted')
    if (association.toldAt !== undefined && now - association.toldAt < REPEAT_MS) return this.#drop('repeated')
    association.toldAt = now
    const body = new Uint8Array(sealedBytes(0))
    association.seal(now, body, SEALED_HEADER_BYTES, body.length - AEAD_TAG_BYTES)
    this.#effects.push({ type: 'reply', wayBack, body })
  }

  #agreed(now: Instant, agreed: Agreed): void {
    const { id: peer, credential, incarnation } = agreed.identity
    const restarted = this.#table.add(now, agreed)
    this.#effects.push({ type: 'associated', peer, credential, incarnation, restarted })
  }

  /** Somebody says that the peer does not know an association which we have with it. It may be a lie: see invariant 1. */
  #unknown(now: Instant, remoteIndex: number, source: NodeId): void {
    const association = this.#table.of(source).find((each) => each.init.remoteIndex === remoteIndex)
    if (!association || association.retiredAt !== undefined) return this.#drop('unknown-index')
    if (now - (this.#doubtedAt.get(source) ?? -DOUBT_MS) < DOUBT_MS) return this.#drop('over-limit')
    this.#doubtedAt.set(source, now)
    this.#table.doubt(association)
    this.#handshakes.want(now, source)
  }

  #tellUnknown(now: Instant, index: number, wayBack: readonly NodeId[], source: NodeId): void {
    const told = this.#toldAt.get(source)
    if (told !== undefined && now - told < UNKNOWN_MS) return
    this.#toldAt.delete(source)
    this.#toldAt.set(source, now)
    const [oldest] = this.#toldAt.keys()
    if (this.#toldAt.size > UNKNOWN_SOURCES_MAX && oldest !== undefined) this.#toldAt.delete(oldest)
    const body = writeHandshake({ kind: 'unknown', sender: 0, receiver: index, noise: new Uint8Array(0) })
    this.#effects.push({ type: 'reply', wayBack, body })
  }

  #drop(reason: AssociationDrop): undefined {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
  }
}
