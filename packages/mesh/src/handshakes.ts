/**
 * The handshakes under way, at either end. The initiator repeats message 1 until message 2 comes, then message 3 until
 * something sealed comes, each time over another path. The responder repeats nothing by itself: it answers.
 *
 *     initiator                                              responder
 *     index, e                    -- 1: e --------------->   half open, for 5 s
 *     keys: may send              <- 2: e, ee, s, es ------
 *                                 -- 3: s, se ----------->   keys: may send
 *     confirmed                   <- something sealed -----
 *
 *  1. A copy of a message is answered as the message was; it makes nothing new.
 *  2. A message that fails leaves the handshake as it was: a forger cannot end it.
 *  3. A handshake makes keys at most once at each end.
 */
import {
  type Crypto,
  Deadlines,
  type Instant,
  type NodeId,
  type Random,
  type SignedCredential,
  type Violation,
  after,
  equalBytes,
  invariant,
  jittered,
  joinBytes,
  readU32,
} from '@causeway/protocol'
import { HANDSHAKE_BYTES_MAX, type HandshakePacket, writeHandshake } from './association-packet.ts'
import { type HalfOpen, HalfOpens, halfOpenKey } from './half-opens.ts'
import { type Identity, checkIdentity, writeIdentity } from './handshake-identity.ts'
import { NoiseHandshake, type NoiseKeyPair, type TransportKeys, generateNoiseKeyPair } from './noise-handshake.ts'
import { TokenBucket } from './token-bucket.ts'

const PROLOGUE = Uint8Array.from('causeway/1', (character) => character.charCodeAt(0))

/** Between attempts: doubling from the first to the last, ±20 %. */
const RETRY_MS = 100
const RETRY_MS_MAX = 2_000
const RETRY_JITTER = 0.2
/** A handshake is given up that nobody has wanted for so long, or whose message 3 nobody has answered. */
const WANTED_MS = 60_000
/** The same answer is not given more often: copies of a message come over several paths at once. */
export const REPEAT_MS = 20

/** bound: message 1 costs three X25519 operations and six HMACs, up to 1 ms: at this rate at most 5 % of a core, whoever sends it. */
const FIRST_PER_SECOND = 50
const FIRST_BURST = 100
/** bound: a forged message 2 costs an X25519 operation. After so many, a handshake starts anew at its next attempt. */
const FORGERIES_MAX = 16

export type HandshakeEffect =
  | Violation
  /** To be sent over any path to the peer, but another one than the attempt before. */
  | { readonly type: 'send'; readonly to: NodeId; readonly body: Uint8Array; readonly attempt: number }
  /** To be sent the way that what it answers came. */
  | { readonly type: 'reply'; readonly wayBack: readonly NodeId[]; readonly body: Uint8Array }

export type HandshakeDrop = 'unknown-index' | 'forged' | 'repeated' | 'misrouted' | 'over-limit' | 'stale' | 'refused'

export interface HandshakesConfig {
  readonly self: NodeId
  readonly credential: SignedCredential
  readonly authorityKey: Uint8Array
  readonly incarnation: number
  readonly crypto: Crypto
  readonly random: Random
  /** Milliseconds since 1970, for the expiry of credentials. */
  readonly wallMs: (now: Instant) => number
  readonly nameOf: (id: NodeId) => string
}

/** What the owner of the handshakes does for them. */
export interface HandshakesOwner {
  /** Whether an association has that index. */
  readonly isTaken: (index: number) => boolean
  /** False for a process of a peer that is known to have been replaced. */
  readonly isCurrent: (identity: Identity, aliveAt: Instant) => boolean
  readonly emit: (effect: HandshakeEffect) => void
  readonly drop: (reason: HandshakeDrop) => void
}

/** A handshake that made keys. */
export interface Agreed {
  readonly identity: Identity
  readonly initiator: boolean
  readonly index: number
  readonly remoteIndex: number
  readonly keys: TransportKeys
  /** The peer was alive after this: our part of the handshake, without which it could not have answered, was made then. */
  readonly aliveAt: Instant
}

/** A handshake that this node began. */
interface Opening {
  readonly peer: NodeId
  readonly index: number
  readonly noise: NoiseHandshake
  readonly madeAt: Instant
  /** The message that is repeated. */
  body: Uint8Array
  /** Message 2 as it came, when `body` is the message 3 that answers it. */
  answered: Uint8Array | undefined
  answeredAt: Instant
  wantedAt: Instant
  attempt: number
  sentAt: Instant
  forgeries: number
}

export class Handshakes {
  readonly #config: HandshakesConfig
  readonly #owner: HandshakesOwner
  readonly #prologue: Uint8Array
  /** Made with the process, never stored. */
  readonly #staticKey: NoiseKeyPair
  readonly #identity: Uint8Array
  /** All by index; those that have no message 2 yet also by peer, one for each. */
  readonly #openings = new Map<number, Opening>()
  readonly #unanswered = new Map<NodeId, Opening>()
  readonly #halfOpens = new HalfOpens()
  readonly #firsts = new TokenBucket(FIRST_PER_SECOND, FIRST_BURST)
  readonly #retries = new Deadlines<Opening>()

  constructor(config: HandshakesConfig, owner: HandshakesOwner) {
    const { crypto, authorityKey, credential, incarnation } = config
    this.#config = config
    this.#owner = owner
    this.#prologue = joinBytes(PROLOGUE, authorityKey)
    this.#staticKey = generateNoiseKeyPair(crypto)
    this.#identity = writeIdentity(crypto, { credential, incarnation, staticKey: this.#staticKey.publicKey })
    invariant(this.#identity.length <= HANDSHAKE_BYTES_MAX / 2, 'the credential of this node is too large for a handshake')
  }

  get halfOpen(): number {
    return this.#halfOpens.size
  }

  isOpening(peer: NodeId): boolean {
    return this.#unanswered.has(peer)
  }

  /** Begins a handshake with the peer, or keeps the one alive that is under way. */
  want(now: Instant, peer: NodeId): void {
    const opening = this.#unanswered.get(peer)
    if (opening) opening.wantedAt = now
    else this.#begin(now, peer, now, 0)
  }

  /** The peer has message 3 of the handshake with this index. */
  confirmed(index: number): void {
    const opening = this.#openings.get(index)
    if (opening) this.#end(opening)
  }

  /** There may be a way now that there was not: what waits for its next attempt need not wait for long. */
  hurry(now: Instant, peer: NodeId): void {
    for (const opening of this.#openings.values()) {
      if (opening.peer === peer) this.#retries.set(opening, after(now, Math.max(0, opening.sentAt + RETRY_MS - now)))
    }
  }

  /** No message 2 is needed any more: the peer was first. */
  cancel(peer: NodeId): void {
    const opening = this.#unanswered.get(peer)
    if (opening) this.#end(opening)
  }

  wake(now: Instant): void {
    this.#halfOpens.expire(now)
    for (const opening of this.#retries.due(now)) {
      if (now - opening.wantedAt >= WANTED_MS || this.#isLeft(opening)) this.#end(opening)
      else this.#retry(now, opening)
    }
  }

  nextWake(): Instant | undefined {
    return this.#retries.next()
  }

  /** Message 1: anybody's. */
  first(now: Instant, packet: HandshakePacket, wayBack: readonly NodeId[], source: NodeId): void {
    const { self, crypto } = this.#config
    if (source === self) return this.#owner.drop('misrouted')
    const key = halfOpenKey(source, packet)
    const known = this.#halfOpens.find(now, key)
    if (known) return this.#answerAgain(now, known, wayBack)
    if (!this.#firsts.take(now)) return this.#owner.drop('over-limit')
    const noise = new NoiseHandshake({ crypto, initiator: false, prologue: this.#prologue, staticKey: this.#staticKey })
    const second = noise.read(packet.noise) && noise.write(this.#identity)
    if (!second) return this.#owner.drop('forged')
    const [index, remoteIndex] = [this.#drawIndex(now), packet.sender]
    const answer = writeHandshake({ kind: 'second', sender: index, receiver: remoteIndex, noise: second })
    this.#halfOpens.add(now, { key, source, index, remoteIndex, noise, answer, madeAt: now, answeredAt: now, finished: false })
    this.#owner.emit({ type: 'reply', wayBack, body: answer })
  }

  /** Message 2. */
  second(now: Instant, packet: HandshakePacket, wayBack: readonly NodeId[], source: NodeId): Agreed | undefined {
    const opening = this.#openings.get(packet.receiver)
    if (!opening) return this.#drop('unknown-index')
    if (source !== opening.peer) return this.#drop('misrouted')
    if (opening.answered) {
      if (!equalBytes(opening.answered, packet.noise) || now - opening.answeredAt < REPEAT_MS) return this.#drop('repeated')
      opening.answeredAt = now
      this.#owner.emit({ type: 'reply', wayBack, body: opening.body })
      return undefined
    }
    if (opening.forgeries >= FORGERIES_MAX) return this.#drop('over-limit')
    opening.forgeries++
    const noise = opening.noise.fork()
    const payload = noise.read(packet.noise)
    if (!payload) return this.#drop('forged')
    const identity = this.#check(now, noise, payload, source)
    if (!identity) return undefined
    if (!this.#owner.isCurrent(identity, opening.madeAt)) return this.#drop('stale')
    const third = noise.write(this.#identity)
    if (!third) return this.#drop('forged')
    this.#unanswered.delete(opening.peer)
    opening.body = writeHandshake({ kind: 'third', sender: opening.index, receiver: packet.sender, noise: third })
    opening.answered = new Uint8Array(packet.noise)
    opening.answeredAt = now
    opening.wantedAt = now
    opening.attempt = 0
    this.#schedule(now, opening)
    this.#owner.emit({ type: 'reply', wayBack, body: opening.body })
    const { index, madeAt: aliveAt } = opening
    return { identity, initiator: true, index, remoteIndex: packet.sender, keys: noise.split(), aliveAt }
  }

  /** Message 3. `unknown`: there is no such handshake, and the peer should be told. */
  third(now: Instant, packet: HandshakePacket, source: NodeId): Agreed | 'unknown' | undefined {
    const halfOpen = this.#halfOpens.at(now, packet.receiver)
    if (!halfOpen || halfOpen.finished) return 'unknown'
    if (source !== halfOpen.source) return this.#drop('misrouted')
    const noise = halfOpen.noise.fork()
    const payload = noise.read(packet.noise)
    if (!payload) return this.#drop('forged')
    // Whatever comes of it: this came from who sent message 1, and nothing else can.
    halfOpen.finished = true
    const identity = this.#check(now, noise, payload, source)
    if (!identity) return undefined
    if (!this.#owner.isCurrent(identity, halfOpen.madeAt)) return this.#drop('stale')
    const { index, remoteIndex, madeAt: aliveAt } = halfOpen
    return { identity, initiator: false, index, remoteIndex, keys: noise.split(), aliveAt }
  }

  /** Something sealed came to an index that no association has. True if message 3 is still awaited there: then message 2 goes again. */
  sealedEarly(now: Instant, index: number, wayBack: readonly NodeId[], source: NodeId): boolean {
    const halfOpen = this.#halfOpens.at(now, index)
    if (!halfOpen || halfOpen.finished || halfOpen.source !== source) return false
    this.#answerAgain(now, halfOpen, wayBack)
    return true
  }

  #answerAgain(now: Instant, halfOpen: HalfOpen, wayBack: readonly NodeId[]): void {
    if (now - halfOpen.answeredAt < REPEAT_MS) return this.#owner.drop('repeated')
    halfOpen.answeredAt = now
    this.#owner.emit({ type: 'reply', wayBack, body: halfOpen.answer })
  }

  /** Who the peer is, if it proves to be the node that the frame names. */
  #check(now: Instant, noise: NoiseHandshake, payload: Uint8Array, source: NodeId): Identity | undefined {
    const { crypto, authorityKey, wallMs, nameOf } = this.#config
    const check = checkIdentity(crypto, payload, { authorityKey, staticKey: noise.theirStatic, wallMs: wallMs(now) })
    if (check.ok && check.identity.id === source) return check.identity
    const detail = check.ok ? `${check.identity.credential.name} stands in for it in a handshake` : `in a handshake: ${check.reason}`
    this.#owner.emit({ type: 'violation', peer: nameOf(source), code: 'bad-credential', detail })
    return this.#drop('refused')
  }

  #begin(now: Instant, peer: NodeId, wantedAt: Instant, attempt: number): void {
    const { crypto } = this.#config
    const noise = new NoiseHandshake({ crypto, initiator: true, prologue: this.#prologue, staticKey: this.#staticKey })
    const first = noise.write(new Uint8Array(0))
    invariant(first !== undefined, 'message 1 needs no agreement')
    const index = this.#drawIndex(now)
    const body = writeHandshake({ kind: 'first', sender: index, receiver: 0, noise: first })
    const opening: Opening = {
      peer,
      index,
      noise,
      madeAt: now,
      body,
      answered: undefined,
      answeredAt: now,
      wantedAt,
      attempt,
      sentAt: now,
      forgeries: 0,
    }
    this.#openings.set(index, opening)
    this.#unanswered.set(peer, opening)
    this.#owner.emit({ type: 'send', to: peer, body, attempt })
    this.#schedule(now, opening)
  }

  #retry(now: Instant, opening: Opening): void {
    const attempt = opening.attempt + 1
    if (!opening.answered && opening.forgeries >= FORGERIES_MAX) {
      this.#end(opening)
      this.#begin(now, opening.peer, opening.wantedAt, attempt)
      return
    }
    opening.attempt = attempt
    this.#owner.emit({ type: 'send', to: opening.peer, body: opening.body, attempt })
    this.#schedule(now, opening)
  }

  /** The association that its message 2 made is gone: nobody needs message 3. */
  #isLeft(opening: Opening): boolean {
    return opening.answered !== undefined && !this.#owner.isTaken(opening.index)
  }

  #schedule(now: Instant, opening: Opening): void {
    opening.sentAt = now
    const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** opening.attempt)
    this.#retries.set(opening, after(now, jittered(this.#config.random, pauseMs, RETRY_JITTER)))
  }

  #end(opening: Opening): void {
    this.#openings.delete(opening.index)
    if (this.#unanswered.get(opening.peer) === opening) this.#unanswered.delete(opening.peer)
    this.#retries.set(opening, undefined)
  }

  /** Unpredictable, so that who sees nothing of a handshake cannot speak of it. */
  #drawIndex(now: Instant): number {
    for (;;) {
      const index = readU32(this.#config.crypto.randomBytes(4), 0)
      if (index !== 0 && !this.#openings.has(index) && !this.#halfOpens.at(now, index) && !this.#owner.isTaken(index)) return index
    }
  }

  #drop(reason: HandshakeDrop): undefined {
    this.#owner.drop(reason)
  }
}
