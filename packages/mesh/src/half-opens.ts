/**
 * What a responder remembers between message 1 and message 3. Anybody can send a message 1, in anybody's name, so this
 * is all that strangers can make a node keep: it is bounded in number, in number per claimed source, and in time.
 *
 * It is kept until its time is over even if message 3 came, so that late copies of message 1 find it.
 */
import { type Instant, type NodeId, hex } from '@causeway/protocol'
import type { HandshakePacket } from './association-packet.ts'
import type { NoiseHandshake } from './noise-handshake.ts'

const HALF_OPEN_MAX = 256
const HALF_OPEN_PER_SOURCE_MAX = 16
/** bound: round trip of a path, and twice the longest pause between two attempts of the initiator. */
const HALF_OPEN_LIFE_MS = 5_000

export interface HalfOpen {
  /** Names the message 1 that it answers. */
  readonly key: string
  /** Who sent that, if the frame's header is true. */
  readonly source: NodeId
  readonly index: number
  readonly remoteIndex: number
  readonly noise: NoiseHandshake
  /** Message 2. */
  readonly answer: Uint8Array
  readonly madeAt: Instant
  answeredAt: Instant
  /** Message 3 came. Were it taken twice, two associations with the same keys would use the same counters. */
  finished: boolean
}

/** The same for copies of a message 1, different for any two others. */
export function halfOpenKey(source: NodeId, packet: HandshakePacket): string {
  return `${source}/${packet.sender}/${hex(packet.noise)}`
}

/** Both tables hold the same entries, oldest first. */
export class HalfOpens {
  readonly #byKey = new Map<string, HalfOpen>()
  readonly #byIndex = new Map<number, HalfOpen>()

  get size(): number {
    return this.#byKey.size
  }

  find(now: Instant, key: string): HalfOpen | undefined {
    return alive(now, this.#byKey.get(key))
  }

  at(now: Instant, index: number): HalfOpen | undefined {
    return alive(now, this.#byIndex.get(index))
  }

  add(now: Instant, halfOpen: HalfOpen): void {
    this.expire(now)
    const ofSource = [...this.#byKey.values()].filter((each) => each.source === halfOpen.source)
    const oldest = ofSource.length >= HALF_OPEN_PER_SOURCE_MAX ? ofSource[0] : this.#byKey.values().next().value
    if (oldest && (ofSource.length >= HALF_OPEN_PER_SOURCE_MAX || this.size >= HALF_OPEN_MAX)) this.remove(oldest)
    this.#byKey.set(halfOpen.key, halfOpen)
    this.#byIndex.set(halfOpen.index, halfOpen)
  }

  remove(halfOpen: HalfOpen): void {
    this.#byKey.delete(halfOpen.key)
    this.#byIndex.delete(halfOpen.index)
  }

  expire(now: Instant): void {
    for (const each of this.#byKey.values()) {
      if (alive(now, each)) return
      this.remove(each)
    }
  }
}

function alive(now: Instant, halfOpen: HalfOpen | undefined): HalfOpen | undefined {
  return halfOpen && now - halfOpen.madeAt < HALF_OPEN_LIFE_MS ? halfOpen : undefined
}
