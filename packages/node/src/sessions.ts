/**
 * State sessions over channels: with whom this node exchanges state, and the channel each session runs on. A session
 * that ends while it is still wanted is opened again, soon at first, then slower.
 *
 *  1. There is at most one session of ours with a peer that we opened.
 *  2. A session number is the handle of its channel; it is never used twice.
 */
import { type Instant, type NodeId, type Random, after, earliest, jittered } from '@causeway/protocol'
import type { ChannelHandle } from '@causeway/mesh'
import type { Relation } from '@causeway/state'

/** The service name tells the acceptor what it is to the opener. */
const SERVICES: ReadonlyMap<string, Relation> = new Map([
  ['state-up', 'up'],
  ['state-mesh', 'mesh'],
])
const RETRY_FLOOR_MS = 100
const RETRY_CEILING_MS = 5_000
/** A session that has lasted so long was a good one: the next retry is quick again. */
const LASTED_MS = 10_000

interface Wanted {
  readonly relation: Relation
  channel: ChannelHandle | undefined
  openedAt: Instant
  retryAt: Instant
  failures: number
}

export interface Session {
  readonly channel: ChannelHandle
  readonly peer: NodeId
  readonly relation: Relation
}

/** What an accepted session is to us, from the service that its opener named. */
export function acceptedRelation(service: string): Relation | undefined {
  const relation = SERVICES.get(service)
  return relation === 'up' ? 'down' : relation
}

export class Sessions {
  readonly #random: Random
  readonly #wanted = new Map<NodeId, Wanted>()
  readonly #open = new Map<ChannelHandle, Session>()

  constructor(random: Random) {
    this.#random = random
  }

  get(channel: ChannelHandle): Session | undefined {
    return this.#open.get(channel)
  }

  all(): Iterable<Session> {
    return this.#open.values()
  }

  with(peer: NodeId): Session | undefined {
    const channel = this.#wanted.get(peer)?.channel
    return channel === undefined ? undefined : this.#open.get(channel)
  }

  want(now: Instant, peer: NodeId, relation: Relation): void {
    if (!this.#wanted.has(peer)) this.#wanted.set(peer, { relation, channel: undefined, openedAt: now, retryAt: now, failures: 0 })
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

  accepted(channel: ChannelHandle, peer: NodeId, relation: Relation): void {
    this.#open.set(channel, { channel, peer, relation })
  }

  ended(now: Instant, channel: ChannelHandle): void {
    const session = this.#open.get(channel)
    this.#open.delete(channel)
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
      wanted.channel = open(peer, wanted.relation === 'mesh' ? 'state-mesh' : 'state-up')
      wanted.openedAt = now
      const session = { channel: wanted.channel, peer, relation: wanted.relation }
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
