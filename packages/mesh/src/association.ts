/**
 * An association: the keys that two nodes have agreed on to seal what they send each other end to end, whatever relays
 * are between. All channels of the pair share it, because a handshake for each would cost a round trip and more CPU than
 * most channels use. Here is one of them; `associations.ts` makes, chooses and drops them.
 */
import {
  AEAD_TAG_BYTES,
  type Credential,
  type Instant,
  type NodeId,
  type Random,
  ReplayWindow,
  after,
  invariant,
  jittered,
} from '@causeway/protocol'
import { SEALED_HEADER_BYTES, sealedCounter, writeSealedHeader } from './association-packet.ts'
import type { TransportKeys } from './noise-handshake.ts'

/** New keys after so long, jittered. The responder waits longer, so that not both ends ask. */
const REKEY_MS = 3_600_000
const REKEY_PATIENCE_MS = 300_000
const REKEY_JITTER = 0.05
/** New keys after so many packets. With 4,096 blocks of 16 bytes in each, AES-GCM stays within 2^-25 of ideal (σ²/2^129). */
const REKEY_PACKETS = 2 ** 40
/** The end, if no new keys could be had: the credentials were checked so long ago. */
const LIFE_MS = 2 * REKEY_MS
/** What was sealed before the peer changed keys may still be on its way. */
const RETIRED_LIFE_MS = 60_000
/** If nothing comes back for so long, the peer never received message 3. */
const UNCONFIRMED_LIFE_MS = 60_000
const IDLE_LIFE_MS = 600_000
/**
 * Packets of an association take paths of different length: at 100,000 a second and 100 ms between the fastest path and
 * the slowest, 10,000 that are not late overtake each other.
 */
const REPLAY_WINDOW = 16_384

export interface AssociationInit {
  readonly peer: NodeId
  readonly credential: Credential
  /** Which process of the peer it is. */
  readonly incarnation: number
  readonly initiator: boolean
  /** By what each end knows it. */
  readonly index: number
  readonly remoteIndex: number
  readonly keys: TransportKeys
}

/**
 *  1. A counter is never used twice to seal, and none is opened twice.
 *  2. It is confirmed once the peer is known to have the keys: the responder by message 3, the initiator by the first packet.
 */
export class Association {
  readonly init: AssociationInit
  readonly madeAt: Instant
  /** Last time that a packet was sealed or opened, or the owner wanted it. */
  usedAt: Instant
  confirmedAt: Instant | undefined
  /** Since when another one is used for sending. */
  retiredAt: Instant | undefined
  /** Somebody says, in the peer's name and without proof, that the peer does not know it. */
  doubted = false
  /** When the responder last told the initiator that message 3 has arrived. */
  toldAt: Instant | undefined
  readonly #rekeyAt: Instant
  readonly #window = new ReplayWindow(REPLAY_WINDOW)
  #counter = 0

  constructor(now: Instant, init: AssociationInit, random: Random) {
    this.init = init
    this.madeAt = now
    this.usedAt = now
    this.confirmedAt = init.initiator ? undefined : now
    this.#rekeyAt = after(now, jittered(random, REKEY_MS, REKEY_JITTER) + (init.initiator ? 0 : REKEY_PATIENCE_MS))
  }

  /** Seals `frame[from, to)` in place; the header goes before it, the tag behind it. */
  seal(now: Instant, frame: Uint8Array, from: number, to: number): void {
    invariant(from >= SEALED_HEADER_BYTES && to + AEAD_TAG_BYTES <= frame.length, 'no room to seal')
    this.usedAt = now
    const counter = this.#counter++
    const at = from - SEALED_HEADER_BYTES
    writeSealedHeader(frame, at, this.init.remoteIndex, counter)
    this.init.keys.send.seal(counter, frame.subarray(at, from), frame, from, to)
  }

  /** What was sealed in a body that bears the index of this association, or why it is not to be had. */
  open(now: Instant, body: Uint8Array): Uint8Array | 'replayed' | 'forged' {
    const counter = sealedCounter(body)
    if (!this.#window.isFresh(counter)) return 'replayed'
    const opened = this.init.keys.receive.open(counter, body.subarray(0, SEALED_HEADER_BYTES), body.subarray(SEALED_HEADER_BYTES))
    if (!opened) return 'forged'
    this.#window.mark(counter)
    this.usedAt = now
    return opened
  }

  /** Time for new keys. */
  isWorn(now: Instant): boolean {
    return now >= this.#rekeyAt || this.#counter >= REKEY_PACKETS
  }

  isOver(now: Instant): boolean {
    if (now - this.madeAt >= LIFE_MS || now - this.usedAt >= IDLE_LIFE_MS) return true
    if (this.retiredAt !== undefined) return now - this.retiredAt >= RETIRED_LIFE_MS
    return this.confirmedAt === undefined && now - this.madeAt >= UNCONFIRMED_LIFE_MS
  }
}

/**
 * The one to send with: a confirmed one, the newest of them; else one that the peer may already have; only then one that
 * the peer is said not to know, and last what has been replaced.
 */
export function chooseForSending(associations: readonly Association[]): Association | undefined {
  let best: Association | undefined
  for (const each of associations) if (!best || isBetter(each, best)) best = each
  return best
}

function isBetter(a: Association, b: Association): boolean {
  return standing(a) > standing(b) || (standing(a) === standing(b) && usableSince(a) >= usableSince(b))
}

function standing(association: Association): number {
  if (association.retiredAt !== undefined) return -1
  if (association.doubted) return 0
  return association.confirmedAt === undefined ? 1 : 2
}

export function usableSince(association: Association): Instant {
  return association.confirmedAt ?? association.madeAt
}
