/**
 * One link: an authenticated adjacency with a peer, its epoch, its monitor, and what has gone over it.
 *
 *  1. Every connection gives the link a new epoch and a fresh monitor: what was measured of another connection
 *     says nothing of this one.
 *  2. A link that died by silence comes back slowly: it is held for `HOLD_FLOOR_MS`, doubling with every such death
 *     within `FLAP_MEMORY_MS`; unless nothing else is up, or the peer's process is a new one.
 */
import { LinkMonitor, type MonitorInput, reflect } from '@causeway/probe'
import type { ConnectionId, Instant, LinkState, LinkView, Probe, ProbeReply, Random } from '@causeway/protocol'
import type { Peer } from './admission.ts'

const HOLD_FLOOR_MS = 5_000
const HOLD_CEILING_MS = 600_000
const FLAP_MEMORY_MS = 600_000
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
  /** No hub can be reached otherwise: better a doubtful link than none. */
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
  #silentDeaths: Instant[] = []
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
    const restarted = attachment.peer.incarnation !== this.peer.incarnation
    this.peer = attachment.peer
    this.epoch++
    this.connection = attachment.connection
    this.address = attachment.address
    this.blocked = false
    this.#reflected.udp = this.#reflected.control = 0
    this.#monitor = new LinkMonitor(now, this.#random, { holdMs: attachment.alone || restarted ? 0 : this.#holdMs(now) })
    effects.push(...this.monitor(now, { type: 'datagrams', open: attachment.datagrams }))
    effects.push(...this.monitor(now, { type: 'wake' }))
    return effects
  }

  detach(now: Instant, reason: string): LinkEffect[] {
    this.connection = undefined
    this.#monitor = undefined
    return this.#setUp(now, false, reason)
  }

  /** Tells the monitor, and translates what it concludes. */
  monitor(now: Instant, input: MonitorInput): LinkEffect[] {
    if (!this.#monitor) return []
    const effects: LinkEffect[] = []
    for (const effect of this.#monitor.handle(now, input)) {
      if (effect.type === 'probe') {
        effects.push(effect)
        continue
      }
      const up = effect.state === 'up' || effect.state === 'degraded'
      if (effect.state === 'down') {
        this.#silentDeaths.push(now)
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
    return this.#monitor?.nextWake()
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

  #holdMs(now: Instant): number {
    this.#silentDeaths = this.#silentDeaths.filter((at) => now - at < FLAP_MEMORY_MS)
    const deaths = this.#silentDeaths.length
    return deaths === 0 ? 0 : Math.min(HOLD_FLOOR_MS * 2 ** (deaths - 1), HOLD_CEILING_MS)
  }

  #setUp(now: Instant, up: boolean, reason: string): LinkEffect[] {
    this.#reason = reason
    if (this.#up === up) return []
    this.#up = up
    this.#changedAt = now
    return [{ type: up ? 'up' : 'down', reason }]
  }
}
