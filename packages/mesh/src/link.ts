/**
 * One link: an authenticated adjacency with a peer, its epoch, its monitor, and what has gone over it.
 *
 *  1. Every connection gives the link a new epoch and a fresh monitor: what was measured of another connection
 *     says nothing of this one.
 *  2. A link that fell is held back when it returns, longer each time (`FlapHold`), at both ends: the one that finds the
 *     silence resets the connection, and to the other this is a connection that ends without a good-bye. Not held back
 *     is a link without which one end has no hub, nor one to a new process of the peer.
 */
import { FlapHold, LinkMonitor, type MonitorInput, reflect } from '@causeway/probe'
import {
  type ConnectionId,
  type Instant,
  type LinkState,
  type LinkView,
  type Probe,
  type ProbeReply,
  type Random,
  after,
  earliest,
} from '@causeway/protocol'
import type { Peer } from './admission.ts'

/** A connection whose peer answers nothing for so long at the start is dead. */
const UNANSWERED_MS = 5_000
/** How often the monitor hears of traffic: once per such interval is enough. */
const TRAFFIC_NEWS_MS = 20

export type LinkEffect =
  | { readonly type: 'probe'; readonly via: 'udp' | 'control'; readonly probe: Probe }
  /** The connection is dead: drop it without draining. */
  | { readonly type: 'reset'; readonly reason: string }
  | { readonly type: 'up' | 'down'; readonly reason: string }

export interface Attachment {
  readonly connection: ConnectionId
  /** `undefined` if the peer dialled. */
  readonly address: string | undefined
  readonly peer: Peer
  readonly datagrams: boolean
  /** One end can reach no hub otherwise: better a doubtful link than none. */
  readonly alone: boolean
}

export class Link {
  peer: Peer
  epoch = 0
  connection: ConnectionId | undefined
  address: string | undefined
  /** Frames handed over now would only wait: drop them. */
  blocked = false
  #up = false
  #monitor: LinkMonitor | undefined
  readonly #random: Random
  readonly #reflected = { udp: 0, control: 0 }
  #bytesIn = 0
  #bytesOut = 0
  #hold = new FlapHold()
  #unansweredUntil: Instant | undefined
  #heardAt: Instant | undefined
  #carriedAt: Instant | undefined
  #changedAt: Instant | undefined
  #reason = 'no connection yet'

  constructor(peer: Peer, random: Random) {
    this.peer = peer
    this.#random = random
  }

  get name(): string {
    return this.peer.credential.name
  }

  get up(): boolean {
    return this.#up
  }

  /** Cost of sending to the peer, milliseconds; `null` if it is not measured. */
  get costMs(): number | null {
    return this.#up ? (this.#monitor?.costMs ?? null) : null
  }

  get state(): LinkState {
    return this.#monitor?.state ?? 'down'
  }

  attach(now: Instant, attachment: Attachment): LinkEffect[] {
    const effects = this.#setUp(now, false, 'replaced by a newer connection')
    // What the old process did is not held against the new one, however many connections it takes to greet it.
    if (attachment.peer.incarnation !== this.peer.incarnation) this.#hold = new FlapHold()
    this.peer = attachment.peer
    this.epoch++
    this.connection = attachment.connection
    this.address = attachment.address
    this.blocked = false
    this.#reflected.udp = this.#reflected.control = 0
    this.#unansweredUntil = after(now, UNANSWERED_MS)
    const held = this.#hold.fallen && !attachment.alone
    this.#monitor = new LinkMonitor(now, this.#random, {}, { hold: this.#hold, held })
    effects.push(...this.monitor(now, { type: 'datagrams', open: attachment.datagrams }))
    effects.push(...this.monitor(now, { type: 'wake' }))
    return effects
  }

  /** The connection is gone; `farewell`: the peer had said that it would close it. */
  detach(now: Instant, reason: string, farewell: boolean): LinkEffect[] {
    if (this.#up && !farewell) this.#hold.fall(now - (this.#changedAt ?? now))
    this.connection = undefined
    this.#monitor = undefined
    return this.#setUp(now, false, reason)
  }

  /** Tells the monitor, and translates what it concludes. */
  monitor(now: Instant, input: MonitorInput): LinkEffect[] {
    if (!this.#monitor) return []
    const effects: LinkEffect[] = []
    if (input.type === 'reply') this.#unansweredUntil = undefined
    if (this.#unansweredUntil !== undefined && now >= this.#unansweredUntil) {
      this.#unansweredUntil = undefined
      return [{ type: 'reset', reason: `was not answered for ${UNANSWERED_MS / 1000} s` }]
    }
    for (const effect of this.#monitor.handle(now, input)) {
      if (effect.type === 'probe') {
        effects.push(effect)
        continue
      }
      const up = effect.state === 'up' || effect.state === 'degraded'
      if (effect.state === 'down') {
        effects.push(...this.#setUp(now, false, effect.reason), { type: 'reset', reason: effect.reason })
      } else {
        effects.push(...this.#setUp(now, up, effect.reason))
      }
    }
    return effects
  }

  reflect(now: Instant, via: 'udp' | 'control', probe: Probe): ProbeReply {
    return reflect(now, now, probe, this.#reflected[via]++)
  }

  arrived(now: Instant, bytes: number): LinkEffect[] {
    this.#bytesIn += bytes
    if (this.#heardAt !== undefined && now - this.#heardAt < TRAFFIC_NEWS_MS) return []
    this.#heardAt = now
    return [...this.monitor(now, { type: 'heard', via: 'stream' }), ...this.monitor(now, { type: 'carried' })]
  }

  carried(now: Instant, bytes: number): LinkEffect[] {
    this.#bytesOut += bytes
    if (this.#carriedAt !== undefined && now - this.#carriedAt < TRAFFIC_NEWS_MS) return []
    this.#carriedAt = now
    return this.monitor(now, { type: 'carried' })
  }

  nextWake(): Instant | undefined {
    return this.#monitor && earliest(this.#monitor.nextWake(), this.#unansweredUntil)
  }

  view(now: Instant, from: string, wallOffsetMs: number): LinkView {
    const none = { last: null, smoothed: null, min: null, p50: null, p95: null, p99: null }
    const measured = this.#monitor?.view(now) ?? { rttMs: none, jitterMs: null, lossRatio: { forward: null, backward: null } }
    return {
      from,
      to: this.name,
      state: this.state,
      ...measured,
      costMs: this.costMs,
      epoch: this.epoch,
      evidence: this.#monitor?.evidence ?? 'none',
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      since: Math.round((this.#changedAt ?? now) + wallOffsetMs),
      reason: this.#reason,
    }
  }

  #setUp(now: Instant, up: boolean, reason: string): LinkEffect[] {
    this.#reason = reason
    if (this.#up === up) return []
    this.#up = up
    this.#changedAt = now
    return [{ type: up ? 'up' : 'down', reason }]
  }
}
