/**
 * A link in a virtual world, for tests: one monitor, a reflector at the far end, and between them delay, loss and
 * cuts of each direction. Control messages are repaired as TCP would (in order, a lost one 200 ms late), and are
 * gone while the link is cut. Everything follows from the seed.
 */
import { type Instant, type LinkState, type Probe, type ProbeReply, SeededRandom, WAKE, instant } from '@causeway/protocol'
import { LinkMonitor } from './link-monitor.ts'
import type { MonitorConfig } from './monitor-config.ts'
import type { MonitorEffect, MonitorInput, Via } from './monitor-contract.ts'
import { reflect } from './reflect.ts'

const TCP_REPAIR_MS = 200

interface Flight {
  readonly at: number
  readonly via: Via
  readonly packet: Probe | ProbeReply
}

export interface StateChange {
  readonly at: number
  readonly state: LinkState
  readonly previous: LinkState
  readonly reason: string
}

export interface LabSettings {
  readonly seed: number
  readonly rttMs: number
  /** One-way delay is spread by up to this much, ms. */
  readonly spreadMs?: number
  readonly config?: Partial<MonitorConfig>
}

export class LabLink {
  readonly monitor: LinkMonitor
  readonly changes: StateChange[] = []
  readonly sent: Record<Via, number> = { udp: 0, control: 0 }
  /** Share of packets lost, each direction. */
  lossForward = 0
  lossBackward = 0
  forwardCut = false
  backwardCut = false
  udpCut = false
  controlCut = false
  rttMs: number
  spreadMs: number
  /** Data crosses the link every so often, ms; 0: never. */
  trafficMs = 0
  /** The peer's own probes reach us every so often, ms; 0: never. */
  heardMs = 0
  now = 0

  readonly #random: SeededRandom
  readonly #flights: Flight[] = []
  readonly #reflected: Record<Via, number> = { udp: 0, control: 0 }
  readonly #tcpFree = { forward: 0, backward: 0 }
  #nextTraffic = 0
  #nextHeard = 0
  #stalledUntil = 0

  constructor(settings: LabSettings) {
    this.rttMs = settings.rttMs
    this.spreadMs = settings.spreadMs ?? 0
    this.#random = new SeededRandom(settings.seed)
    this.monitor = new LinkMonitor(instant(0), new SeededRandom(settings.seed ^ 0x5eed), settings.config)
  }

  input(input: MonitorInput): void {
    this.#carryOut(this.monitor.handle(instant(this.now), input))
  }

  cut(): void {
    this.forwardCut = true
    this.backwardCut = true
  }

  heal(): void {
    this.forwardCut = false
    this.backwardCut = false
  }

  /** Our own process stands still: nothing is handled, everything waits. */
  stall(ms: number): void {
    this.#stalledUntil = this.now + ms
  }

  run(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const wake = Math.max(this.monitor.nextWake() ?? Infinity, this.#stalledUntil, this.now)
      const flight = this.#flights[0]
      const arrival = flight ? (flight.packet.type === 'reply' ? Math.max(flight.at, this.#stalledUntil) : flight.at) : Infinity
      const traffic = this.trafficMs > 0 ? Math.max(this.#nextTraffic, this.now, this.#stalledUntil) : Infinity
      const heard = this.heardMs > 0 ? Math.max(this.#nextHeard, this.now, this.#stalledUntil) : Infinity
      const next = Math.min(wake, arrival, traffic, heard)
      if (next > until) break
      this.now = next
      if (next === wake) this.input(WAKE)
      else if (next === arrival) this.#arrive(this.#flights.shift() as Flight)
      else if (next === traffic) {
        this.#nextTraffic = next + this.trafficMs
        this.input({ type: 'carried' })
      } else {
        this.#nextHeard = next + this.heardMs
        if (!this.backwardCut) this.input({ type: 'heard', via: 'stream' })
      }
    }
    this.now = until
  }

  /** The first change to `state` at or after `from`. */
  when(state: LinkState, from = 0): number | undefined {
    return this.changes.find((change) => change.at >= from && change.state === state && change.previous !== state)?.at
  }

  #carryOut(effects: MonitorEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'state')
        this.changes.push({ at: this.now, state: effect.state, previous: effect.previous, reason: effect.reason })
      else {
        this.sent[effect.via]++
        this.#launch(effect.via, effect.probe, 'forward')
      }
    }
  }

  #launch(via: Via, packet: Probe | ProbeReply, direction: 'forward' | 'backward'): void {
    if (via === 'udp' ? this.udpCut : this.controlCut) return
    const lost = this.#random.float() < (direction === 'forward' ? this.lossForward : this.lossBackward)
    let at = this.now + this.rttMs / 2 + this.#random.float() * this.spreadMs
    if (via === 'udp') {
      if (lost) return
    } else {
      if (lost) at += TCP_REPAIR_MS
      at = Math.max(at, this.#tcpFree[direction])
      this.#tcpFree[direction] = at
    }
    let index = this.#flights.length
    while (index > 0 && (this.#flights[index - 1] as Flight).at > at) index--
    this.#flights.splice(index, 0, { at, via, packet })
  }

  #arrive({ via, packet }: Flight): void {
    if (packet.type === 'probe') {
      if (this.forwardCut) return
      const farClock: Instant = instant(this.now + 1e6)
      this.#launch(via, reflect(farClock, farClock, packet, this.#reflected[via]++), 'backward')
    } else if (!this.backwardCut) this.input({ type: 'reply', via, reply: packet })
  }
}
