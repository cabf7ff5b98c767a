/**
 * A link in a virtual world, for tests: a monitor at either end, of which the near one probes, and a path in each
 * direction. The ends answer datagrams as the daemon does, beside their main thread, which may stall; or the whole
 * process may freeze. Everything follows from the seed.
 */
import { type Instant, type LinkState, type Probe, type ProbeReply, SeededRandom, WAKE, instant } from '@causeway/protocol'
import { LabPath } from './lab-path.ts'
import { LinkMonitor } from './link-monitor.ts'
import type { MonitorConfig } from './monitor-config.ts'
import type { MonitorEffect, MonitorInput, Via } from './monitor-contract.ts'
import { Reflector } from './reflector.ts'

/** The far clock reads something else. */
const FAR_CLOCK_MS = 1e6
/** The driver's ticker: so old a sign of life is no sign of trouble. */
const TICK_MS = 100

export interface StateChange {
  readonly at: number
  readonly state: LinkState
  readonly previous: LinkState
  readonly reason: string
}

export interface LabSettings {
  readonly seed: number
  readonly rttMs: number
  /** One-way delay is spread by up to this much, ms. @default 0 */
  readonly spreadMs?: number
  readonly config?: Partial<MonitorConfig>
}

interface Flight {
  readonly at: number
  readonly to: LabEnd
  readonly via: Via
  readonly packet: Probe | ProbeReply
}

export class LabEnd {
  readonly monitor: LinkMonitor
  readonly changes: StateChange[] = []
  readonly sent: Record<Via, number> = { udp: 0, control: 0 }
  halfOpen = 0
  stalledUntil = 0
  /** Until then nothing that comes is read. */
  deafUntil = 0
  readonly #lab: LabLink
  readonly #clockMs: number
  readonly #reflectors: Record<Via, Reflector> = { udp: new Reflector(), control: new Reflector() }
  #held: MonitorInput[] = []
  #ranAt = 0

  constructor(lab: LabLink, clockMs: number, seed: number, probes: boolean, config: Partial<MonitorConfig>) {
    this.#lab = lab
    this.#clockMs = clockMs
    this.monitor = new LinkMonitor(this.#instant(0), new SeededRandom(seed), { probes, config })
  }

  get wakeAt(): number {
    const wake = this.monitor.nextWake()
    const at = wake === undefined ? Infinity : wake - this.#clockMs
    return this.#held.length > 0 ? this.stalledUntil : Math.max(at, this.stalledUntil, this.#lab.now)
  }

  wake(): void {
    const lagMs = this.#lab.now - this.#ranAt
    if (this.stalledUntil === this.#lab.now && this.#held.length > 0) this.input({ type: 'lag', lagMs })
    const held = this.#held
    this.#held = []
    this.input(WAKE)
    for (const input of held) this.input(input)
  }

  input(input: MonitorInput): void {
    if (this.#lab.now < this.stalledUntil) {
      this.#held.push(input)
      return
    }
    this.#ranAt = this.#lab.now
    for (const effect of this.monitor.handle(this.#instant(this.#lab.now), input)) this.#carryOut(effect)
  }

  /** The main thread stands still; the socket's thread goes on. */
  stall(ms: number): void {
    this.#ranAt = this.#lab.now
    this.stalledUntil = Math.max(this.stalledUntil, this.#lab.now + ms)
    this.#held.push(WAKE)
  }

  /** The whole process stands still; then its timers run, but nothing is read from its sockets for `deafMs` more. */
  freeze(ms: number, deafMs = 0): void {
    this.stall(ms)
    this.deafUntil = this.stalledUntil + deafMs
  }

  arrive(via: Via, packet: Probe | ProbeReply): void {
    const at = this.#instant(this.#lab.now)
    const stalled = this.#lab.now < this.stalledUntil
    if (packet.type === 'reply') return this.input({ type: 'reply', via, at, reply: packet })
    // In-band it is the machine that answers.
    if (via === 'control' && stalled) return this.#lab.launch(this, via, packet, this.stalledUntil)
    const ageMs = stalled ? Math.max(0, this.#lab.now - this.#ranAt - TICK_MS) : 0
    this.#lab.send(this, via, this.#reflectors[via].reply(at, at, packet, ageMs))
    this.input({ type: 'probed', via, at, probe: packet })
  }

  /** The first change to `state` at or after `from`. */
  when(state: LinkState, from = 0): number | undefined {
    return this.changes.find((change) => change.at >= from && change.state === state && change.previous !== state)?.at
  }

  falls(from = 0): number {
    return this.changes.filter((change) => change.at >= from && change.state === 'down' && change.previous !== 'down').length
  }

  #carryOut(effect: MonitorEffect): void {
    switch (effect.type) {
      case 'state':
        this.changes.push({ at: this.#lab.now, state: effect.state, previous: effect.previous, reason: effect.reason })
        return
      case 'halfOpen':
        this.halfOpen++
        return
      case 'probe':
        this.sent[effect.via]++
        this.#lab.send(this, effect.via, effect.probe)
    }
  }

  #instant(ms: number): Instant {
    return instant(ms + this.#clockMs)
  }
}

export class LabLink {
  /** The end that probes, and the one that is probed. */
  readonly near: LabEnd
  readonly far: LabEnd
  readonly forward: LabPath
  readonly backward: LabPath
  /** Data crosses the link every so often, ms; 0: never. */
  trafficMs = 0
  now = 0
  readonly #flights: Flight[] = []
  #nextTraffic = 0

  constructor({ seed, rttMs, spreadMs = 0, config = {} }: LabSettings) {
    const random = new SeededRandom(seed)
    this.forward = new LabPath(random, rttMs / 2)
    this.backward = new LabPath(random, rttMs / 2)
    this.forward.spreadMs = this.backward.spreadMs = spreadMs
    this.near = new LabEnd(this, 0, seed ^ 0x5eed, true, config)
    this.far = new LabEnd(this, FAR_CLOCK_MS, seed ^ 0xfa5, false, config)
  }

  get ends(): readonly [LabEnd, LabEnd] {
    return [this.near, this.far]
  }

  get paths(): readonly [LabPath, LabPath] {
    return [this.forward, this.backward]
  }

  /** UDP is to be had at both ends. */
  openDatagrams(): this {
    for (const end of this.ends) end.input({ type: 'datagrams', open: true })
    return this
  }

  cut(): void {
    this.forward.cut = this.backward.cut = true
  }

  heal(): void {
    this.forward.cut = this.backward.cut = false
  }

  run(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const near = this.near.wakeAt
      const far = this.far.wakeAt
      const arrival = this.#flights[0]?.at ?? Infinity
      const traffic = this.trafficMs > 0 ? Math.max(this.#nextTraffic, this.now) : Infinity
      const next = Math.min(near, far, arrival, traffic)
      if (next > until) break
      this.now = next
      if (next === near) this.near.wake()
      else if (next === far) this.far.wake()
      else if (next === arrival) this.#land(this.#flights.shift() as Flight)
      else {
        this.#nextTraffic = next + this.trafficMs
        for (const end of this.ends) end.input({ type: 'carried' })
      }
    }
    this.now = until
  }

  send(from: LabEnd, via: Via, packet: Probe | ProbeReply): void {
    const path = from === this.near ? this.forward : this.backward
    const at = via === 'udp' ? path.datagram(this.now) : path.control(this.now)
    if (at !== undefined) this.launch(from === this.near ? this.far : this.near, via, packet, at)
  }

  launch(to: LabEnd, via: Via, packet: Probe | ProbeReply, at: number): void {
    let index = this.#flights.length
    while (index > 0 && (this.#flights[index - 1] as Flight).at > at) index--
    this.#flights.splice(index, 0, { at, to, via, packet })
  }

  #land(flight: Flight): void {
    // A frozen process finds what has come in its socket when it goes on.
    if (this.now < flight.to.deafUntil) this.launch(flight.to, flight.via, flight.packet, flight.to.deafUntil)
    else flight.to.arrive(flight.via, flight.packet)
  }
}
