/**
 * One link: an authenticated adjacency with a peer, its epoch, its monitor, and what has gone over it.
 *
 *  1. Every connection gives the link a new epoch and a fresh monitor: what was measured of another connection
 *     says nothing of this one.
 *  2. A link that fell is held back when it returns, longer each time (`FlapHold`), at both ends. Not held back is a
 *     link without which one end has no hub, nor one within a site, nor one to a new process of the peer.
 *  3. The connection of a link that is down is kept as long as anything is answered on it, and for `SILENT_MS` of
 *     silence: a peer that only stood still finds its links as they were. Then it is reset, and dialled anew.
 */
import { FlapHold, type IdleBeat, LinkMonitor, type MonitorInput, Reflector, UNMEASURED } from '@causeway/probe'
import {
  type ConnectionId,
  DATAGRAM_BYTES_MAX,
  type EventEffect,
  type Instant,
  type LinkMetrics,
  type LinkState,
  type LinkView,
  type Probe,
  type ProbeReply,
  type Random,
  after,
  earliest,
  frameClass,
} from '@causeway/protocol'
import type { Peer } from './admission.ts'
import { LinkTally, type WayCounts } from './link-tally.ts'
import type { StreamLane } from './stream-lane.ts'

/** A connection whose peer answers nothing for so long at the start is dead. */
const UNANSWERED_MS = 5_000
/** A connection on which nothing is answered for so long while the link is down is dead, too. */
const SILENT_MS = 3_000
/** Probes are short, so they arrive where packets of full length vanish, and TCP sends those again and again. */
const LANE_DEAD =
  'nothing that is sent on its stream lane arrives; if probes go on to, long packets are lost on the way: set net.ipv4.tcp_mtu_probing=1'
/** How often the monitor hears of traffic: once per such interval is enough. */
const TRAFFIC_NEWS_MS = 20

export type LinkEffect =
  | { readonly type: 'probe'; readonly via: 'udp' | 'control'; readonly probe: Probe }
  /** The connection is dead: drop it without draining. */
  | { readonly type: 'reset'; readonly reason: string }
  | { readonly type: 'up' | 'down'; readonly reason: string }
  /** The link comes up again over the same connection: the peer may not have noticed anything. */
  | { readonly type: 'returned' }
  /** A link that is up has become impaired, or is sound again. */
  | { readonly type: 'quality' }

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
  /** While there is a connection. */
  lane: StreamLane | undefined
  #up = false
  #monitor: LinkMonitor | undefined
  readonly #tally = new LinkTally()
  readonly #random: Random
  readonly #beat: IdleBeat
  #reflector = new Reflector()
  #bytesIn = 0
  #bytesOut = 0
  #hold = new FlapHold()
  /** When the connection is given up, unless something is answered. */
  #silentUntil: Instant | undefined
  /** The link fell since its connection began. */
  #fell = false
  #impaired = false
  #needed = false
  /** The incarnation of another process that came under this name. */
  #double: number | undefined
  #idleMs: number | undefined
  #carriedAt: Instant | undefined
  #changedAt: Instant | undefined
  #reason = 'no connection yet'

  constructor(peer: Peer, random: Random, beat: IdleBeat) {
    this.peer = peer
    this.#random = random
    this.#beat = beat
  }

  get name(): string {
    return this.peer.credential.name
  }

  /**
   * Why somebody who shows the credential of this peer is not let in: the peer is there, and was started later. It is a copy of
   * the machine, or of its credential, and told of once for each process.
   */
  doubleOf({ incarnation }: Peer, remote: string): { readonly reason: string; readonly news: readonly EventEffect[] } | undefined {
    if (!this.#up || incarnation >= this.peer.incarnation) return undefined
    const reason = `another process runs as ${this.name} and was started later: stop one of them, or issue it a credential of its own`
    const isNews = this.#double !== incarnation
    this.#double = incarnation
    return { reason, news: isNews ? [{ type: 'event', name: 'name-twice', data: { node: this.name, remote, reason } }] : [] }
  }

  get isHub(): boolean {
    return this.peer.credential.role === 'hub'
  }

  get up(): boolean {
    return this.#up
  }

  /** Cost of sending to the peer, milliseconds; `null` if it is not measured. */
  get costMs(): number | null {
    return this.#up ? (this.#monitor?.costMs ?? null) : null
  }

  /** Cost of what the peer sends to us. */
  get costBackMs(): number | null {
    return this.#up ? (this.#monitor?.costBackMs ?? null) : null
  }

  /** Works, but loses more than it should. */
  get impaired(): boolean {
    return this.#up && this.#impaired
  }

  /** Datagrams pass now, as far as one can tell. */
  get datagrams(): boolean {
    const evidence = this.#monitor?.evidence
    return evidence === 'udp' || evidence === 'both'
  }

  /** The frame goes as a datagram: its class asks for that, or what the lane holds would keep it. */
  hurries(now: Instant, frame: Uint8Array): boolean {
    if (!this.datagrams) return false
    if (frameClass(frame) !== 'ordered') return frame.length <= DATAGRAM_BYTES_MAX
    return !this.impaired && (this.lane?.passes(now, frame) ?? false)
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
    this.#reflector = new Reflector()
    this.#fell = false
    this.#silentUntil = after(now, UNANSWERED_MS)
    const held = this.#hold.fallen && !attachment.alone
    this.#retireMonitor()
    const probes = attachment.address !== undefined
    this.#monitor = new LinkMonitor(now, this.#random, { probes, past: { hold: this.#hold, held }, beat: this.#beat })
    this.#tally.observe(this.state)
    if (this.#idleMs !== undefined) effects.push(...this.monitor(now, { type: 'pace', idleMs: this.#idleMs }))
    effects.push(...this.monitor(now, { type: 'needed', needed: this.#needed }))
    effects.push(...this.monitor(now, { type: 'datagrams', open: attachment.datagrams }))
    effects.push(...this.monitor(now, { type: 'wake' }))
    return effects
  }

  /** The connection is gone; `farewell`: the peer had said that it would close it. */
  detach(now: Instant, reason: string, farewell: boolean): LinkEffect[] {
    if (this.#up && !farewell) this.#hold.fall(now - (this.#changedAt ?? now))
    this.connection = undefined
    this.lane = undefined
    this.#retireMonitor()
    this.#tally.observe(this.state)
    return this.#setUp(now, false, reason)
  }

  /** Tells the monitor, and translates what it concludes. */
  monitor(now: Instant, input: MonitorInput): LinkEffect[] {
    if (!this.#monitor) return []
    if (input.type === 'reply' && this.#silentUntil !== undefined) this.#silentUntil = after(now, SILENT_MS)
    const effects: LinkEffect[] = []
    for (const effect of this.#monitor.handle(now, input)) {
      switch (effect.type) {
        case 'probe':
          effects.push(effect)
          break
        case 'halfOpen':
          effects.push({ type: 'reset', reason: effect.reason })
          break
        case 'state':
          this.#tally.observe(effect.state)
          effects.push(...this.#changed(now, effect.state, effect.reason))
      }
    }
    if (this.#impaired !== this.#monitor.impaired) {
      this.#impaired = this.#monitor.impaired
      if (this.#up) effects.push({ type: 'quality' })
    }
    if (this.#silentUntil !== undefined && now >= this.#silentUntil) {
      this.#silentUntil = undefined
      effects.push({ type: 'reset', reason: 'nothing is answered on its connection' })
    }
    return effects
  }

  wake(now: Instant): LinkEffect[] {
    const answers = this.lane?.wake(now) ?? true
    const effects = this.monitor(now, { type: 'wake' })
    return answers ? effects : [{ type: 'reset', reason: LANE_DEAD }, ...effects]
  }

  /** Our end, and all of its site, can reach no hub otherwise, or can again. */
  need(now: Instant, needed: boolean): LinkEffect[] {
    if (this.#needed === needed) return []
    this.#needed = needed
    return this.monitor(now, { type: 'needed', needed })
  }

  /** How often to probe while the link carries nothing, ms. */
  pace(now: Instant, idleMs: number): LinkEffect[] {
    if (this.#idleMs === idleMs) return []
    this.#idleMs = idleMs
    return this.monitor(now, { type: 'pace', idleMs })
  }

  /** Answers a probe that came in-band. */
  reflect(now: Instant, probe: Probe): ProbeReply {
    return this.#reflector.reply(now, now, probe, 0)
  }

  arrived(now: Instant, bytes: number): LinkEffect[] {
    this.#bytesIn += bytes
    return this.#carried(now)
  }

  carried(now: Instant, bytes: number): LinkEffect[] {
    this.#bytesOut += bytes
    return this.#carried(now)
  }

  nextWake(): Instant | undefined {
    return this.#monitor && earliest(this.#monitor.nextWake(), this.#silentUntil)
  }

  view(now: Instant, from: string, wallOffsetMs: number): LinkView {
    const measured = this.#monitor?.view(now) ?? UNMEASURED
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
      since: Math.round((this.#monitor?.since ?? this.#changedAt ?? now) + wallOffsetMs),
      reason: this.#reason,
    }
  }

  /** For the exporter: the view, and what is counted over all connections. */
  metrics(now: Instant, from: string, wallOffsetMs: number): LinkMetrics {
    return {
      view: this.view(now, from, wallOffsetMs),
      transitions: this.#tally.transitions,
      ways: this.#tally.ways(this.#monitor && countsOf(this.#monitor)),
    }
  }

  /** What the monitor has counted stays. */
  #retireMonitor(): void {
    if (this.#monitor) this.#tally.retire(countsOf(this.#monitor))
    this.#monitor = undefined
    this.#impaired = false
  }

  #carried(now: Instant): LinkEffect[] {
    if (this.#carriedAt !== undefined && now - this.#carriedAt < TRAFFIC_NEWS_MS) return []
    this.#carriedAt = now
    return this.monitor(now, { type: 'carried' })
  }

  #changed(now: Instant, state: LinkState, reason: string): LinkEffect[] {
    const up = state === 'up' || state === 'degraded'
    if (state === 'down') {
      this.#fell = true
      this.#silentUntil = after(now, SILENT_MS)
    } else if (up) this.#silentUntil = undefined
    if (state === 'down') this.lane?.clear()
    const effects = this.#setUp(now, up, reason)
    if (up && this.#fell) {
      this.#fell = false
      return [{ type: 'returned' }, ...effects]
    }
    return effects
  }

  #setUp(now: Instant, up: boolean, reason: string): LinkEffect[] {
    this.#reason = reason
    if (this.#up === up) return []
    this.#up = up
    this.#changedAt = now
    return [{ type: up ? 'up' : 'down', reason }]
  }
}

function countsOf(monitor: LinkMonitor): WayCounts {
  return { udp: monitor.counts('udp'), control: monitor.counts('control') }
}
