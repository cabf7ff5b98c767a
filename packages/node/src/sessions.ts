/**
 * State sessions over channels: with whom this node exchanges state, and the channel each session runs on. A session
 * that ends while it is still wanted is opened again, soon at first, then slower.
 *
 *  1. There is at most one session of ours with a peer that we opened.
 *  2. A session number is the handle of its channel; it is never used twice.
 *  3. What a session says is packed once, in the order in which it is written to the channel, and nothing else is. Within a site,
 *     where bytes cost nothing, it is not packed: a gateway would do it for each member before the last of them hears a thing.
 */
import { type Instant, type NodeId, type Random, after, earliest, jittered } from '@causeway/protocol'
import type { ChannelHandle } from '@causeway/mesh'
import type { Relation } from '@causeway/state'
import type { SessionCodec } from './contract.ts'

/** The service name tells the acceptor what it is to the opener, and whether what is said is packed. */
const SERVICES: ReadonlyMap<string, { readonly relation: Relation; readonly packed: boolean }> = new Map([
  ['state-up', { relation: 'up', packed: true }],
  ['state-site', { relation: 'up', packed: false }],
  ['state-mesh', { relation: 'mesh', packed: true }],
])
const RETRY_FLOOR_MS = 100
const RETRY_CEILING_MS = 5_000
/** A session that has lasted so long was a good one: the next retry is quick again. */
const LASTED_MS = 10_000

const NOTHING = new Uint8Array(0)

interface Wanted {
  readonly relation: Relation
  /** The peer is of our site. */
  readonly near: boolean
  channel: ChannelHandle | undefined
  openedAt: Instant
  retryAt: Instant
  failures: number
}

export interface Session {
  readonly channel: ChannelHandle
  readonly peer: NodeId
  readonly relation: Relation
  readonly packed: boolean
}

/** What an accepted session is to us, from the service that its opener named. */
export function acceptedRelation(service: string): Relation | undefined {
  const relation = SERVICES.get(service)?.relation
  return relation === 'up' ? 'down' : relation
}

/** A gateway that is older than `state-site` refuses it: the next attempt is for what it knows. */
function serviceOf({ relation, near, failures }: Wanted): string {
  if (relation === 'mesh') return 'state-mesh'
  return near && failures % 2 === 0 ? 'state-site' : 'state-up'
}

export class Sessions {
  readonly #random: Random
  readonly #wanted = new Map<NodeId, Wanted>()
  readonly #open = new Map<ChannelHandle, Session>()
  readonly #codec: (() => SessionCodec) | undefined
  readonly #codecs = new Map<ChannelHandle, SessionCodec>()

  /** `codec`: makes what packs one session. */
  constructor(random: Random, codec?: () => SessionCodec) {
    this.#random = random
    this.#codec = codec
  }

  get(channel: ChannelHandle): Session | undefined {
    return this.#open.get(channel)
  }

  /** What to write to the channel for a message of its session. */
  pack(channel: ChannelHandle, message: Uint8Array): Uint8Array {
    return this.#codecOf(channel)?.pack(message) ?? message
  }

  /** Empty, which no session says, if the peer did not pack it by the rules. */
  unpack(channel: ChannelHandle, packed: Uint8Array): Uint8Array {
    const codec = this.#codecOf(channel)
    return codec ? (codec.unpack(packed) ?? NOTHING) : packed
  }

  /** Made when it is first needed: a session to a peer that never answers costs nothing. */
  #codecOf(channel: ChannelHandle): SessionCodec | undefined {
    if (!this.#codec || !this.#open.get(channel)?.packed) return undefined
    let codec = this.#codecs.get(channel)
    if (!codec) this.#codecs.set(channel, (codec = this.#codec()))
    return codec
  }

  all(): Iterable<Session> {
    return this.#open.values()
  }

  with(peer: NodeId): Session | undefined {
    const channel = this.#wanted.get(peer)?.channel
    return channel === undefined ? undefined : this.#open.get(channel)
  }

  want(now: Instant, peer: NodeId, relation: Relation, near = false): void {
    if (!this.#wanted.has(peer)) this.#wanted.set(peer, { relation, near, channel: undefined, openedAt: now, retryAt: now, failures: 0 })
  }

  /** Returns the channel to close, if there is one. */
  unwant(peer: NodeId): ChannelHandle | undefined {
    const channel = this.#wanted.get(peer)?.channel
    this.#wanted.delete(peer)
    return channel
  }

  wantedPeers(): NodeId[] {
    return [...this.#wanted.keys()]
  }

  /** What the session is to us; `undefined` if `service` is none of state. */
  accepted(channel: ChannelHandle, peer: NodeId, service: string): Relation | undefined {
    const relation = acceptedRelation(service)
    if (relation) this.#open.set(channel, { channel, peer, relation, packed: SERVICES.get(service)?.packed ?? true })
    return relation
  }

  ended(now: Instant, channel: ChannelHandle): void {
    const session = this.#open.get(channel)
    this.#open.delete(channel)
    this.#codecs.get(channel)?.close()
    this.#codecs.delete(channel)
    const wanted = session && this.#wanted.get(session.peer)
    if (wanted?.channel !== channel) return
    wanted.channel = undefined
    wanted.failures = now - wanted.openedAt > LASTED_MS ? 0 : wanted.failures + 1
    wanted.retryAt = after(now, jittered(this.#random, Math.min(RETRY_FLOOR_MS * 2 ** wanted.failures, RETRY_CEILING_MS), 0.5))
  }

  /** Opens the sessions that are wanted and due. */
  openDue(now: Instant, open: (peer: NodeId, service: string) => ChannelHandle): Session[] {
    const opened: Session[] = []
    for (const [peer, wanted] of this.#wanted) {
      if (wanted.channel !== undefined || wanted.retryAt > now) continue
      const service = serviceOf(wanted)
      wanted.channel = open(peer, service)
      wanted.openedAt = now
      const session = { channel: wanted.channel, peer, relation: wanted.relation, packed: SERVICES.get(service)?.packed ?? true }
      this.#open.set(wanted.channel, session)
      opened.push(session)
    }
    return opened
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const wanted of this.#wanted.values()) if (wanted.channel === undefined) next = earliest(next, wanted.retryAt)
    return next
  }
}
