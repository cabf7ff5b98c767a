/**
 * A host of the world and the life of its process: it starts machines, hands them inputs, carries out their effects,
 * and lets them crash, stall and be lied to by clocks.
 */
import { type Instant, type Machine, type NetworkEffect, type Random, type StoreEntry, WAKE, instant, invariant } from '@causeway/protocol'
import type { NodeEffect, NodeInput } from '@causeway/node'
import type { Fault } from './fault.ts'
import type { Host, SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedPort } from './simulated-port.ts'
import { SimulatedStore, type StoreOptions } from './simulated-store.ts'
import { type Timeline, tickAfter } from './timeline.ts'

/** What a machine is started with; see `NodeEnvironment`. */
export interface Boot {
  readonly now: Instant
  readonly wallOffsetMs: number
  /** 1 for the first start. */
  readonly incarnation: number
  readonly random: Random
  readonly stored: readonly StoreEntry[]
}

export interface NodeSpec<M> {
  readonly name: string
  readonly address: string
  readonly key: Uint8Array
  readonly start: (boot: Boot) => M
  /** @default true */
  readonly listens?: boolean
  /** @default true */
  readonly udp?: boolean
  readonly store?: StoreOptions
}

export interface WorldOfNode {
  readonly timeline: Timeline
  readonly network: SimulatedNetwork
  readonly random: Random
  /** Before every call of the machine. */
  readonly turn: (input: NodeInput) => void
  readonly emit: (effect: NodeEffect) => void
  /** In world time. */
  readonly wakeAt: (at: number | undefined) => void
}

interface Life<M> {
  readonly machine: M
  readonly port: SimulatedPort
  /** Instant of the process minus world time. */
  readonly clockMs: number
  readonly held: NodeInput[]
  stalledSince: number | undefined
  stalls: Fault[]
  /** In world time: until then no thread of the process runs. */
  frozenUntil: number
}

/** When the world begins, on right wall clocks: some day in 2027. */
const WALL_START_MS = 1_800_000_000_000
/** Turns at one instant: a machine that asks to be woken again and again without time passing is broken. */
const TURNS_PER_INSTANT_MAX = 100_000

export class WorldNode<M extends Machine<NodeInput, NodeEffect>> {
  readonly name: string
  readonly host: Host
  readonly store: SimulatedStore
  readonly #spec: NodeSpec<M>
  readonly #world: WorldOfNode
  #life: Life<M> | undefined
  #incarnation = 0
  #skewMs = 0
  #lastTurnAt = -1
  #turnsAtOnce = 0
  #requests = 0

  constructor(spec: NodeSpec<M>, world: WorldOfNode) {
    this.name = spec.name
    this.#spec = spec
    this.#world = world
    this.host = world.network.addHost({ address: spec.address, key: spec.key, listens: spec.listens ?? true, udp: spec.udp ?? true })
    this.store = new SimulatedStore(world.timeline, world.random, spec.store)
  }

  get alive(): boolean {
    return this.#life !== undefined
  }

  get stalled(): boolean {
    return this.#life?.stalledSince !== undefined
  }

  get incarnation(): number {
    return this.#incarnation
  }

  get machine(): M {
    invariant(this.#life !== undefined, `${this.name} is down`)
    return this.#life.machine
  }

  /** The instant on the clock of the running life. */
  get now(): Instant {
    invariant(this.#life !== undefined, `${this.name} is down`)
    return instant(this.#world.timeline.now + this.#life.clockMs)
  }

  /** A number for a request that no other request to this node has had. */
  nextRequest(): number {
    return ++this.#requests
  }

  start(): void {
    if (this.#life) return
    const { timeline, network, random } = this.#world
    const clockMs = Math.floor(random.float() * 1e6)
    const now = instant(timeline.now + clockMs)
    this.#incarnation++
    const machine = this.#spec.start({
      now,
      wallOffsetMs: this.#wallOffsetMs(clockMs),
      incarnation: this.#incarnation,
      random,
      stored: this.store.entries(),
    })
    const life: Life<M> = {
      machine,
      port: network.open(this.host, (input) => this.#input(life, input), {
        now: () => instant(timeline.now + clockMs),
        ageMs: () => (life.stalledSince === undefined ? 0 : timeline.now - life.stalledSince),
        frozenUntil: () => life.frozenUntil,
      }),
      clockMs,
      held: [],
      stalledSince: undefined,
      stalls: [],
      frozenUntil: 0,
    }
    this.#life = life
    this.#input(life, { type: 'wall', offsetMs: this.#wallOffsetMs(clockMs) })
  }

  /** The process dies; with the power also what its disk had not flushed. */
  crash(power = false): { readonly connections: number; readonly tickets: number } {
    const life = this.#life
    invariant(life !== undefined, `${this.name} is down already`)
    this.#life = undefined
    this.#world.wakeAt(undefined)
    return { connections: this.#world.network.close(life.port), tickets: power ? this.store.powerCut() : this.store.crash() }
  }

  request(input: NodeInput): boolean {
    const life = this.#life
    if (!life) return false
    this.#world.timeline.after(0, () => this.#input(life, input))
    return true
  }

  wake(): void {
    if (this.#life) this.#input(this.#life, WAKE)
  }

  /** The machine stands still; if `whole`, so does the thread of its socket. */
  stall(ms: number, fault: Fault, whole: boolean): void {
    const life = this.#life
    invariant(life !== undefined, `${this.name} is down`)
    const { timeline } = this.#world
    life.stalledSince ??= timeline.now
    life.stalls.push(fault)
    if (whole) life.frozenUntil = Math.max(life.frozenUntil, timeline.now + ms)
    timeline.after(ms, () => {
      fault.heal()
      // The lag itself is an input that the machine is told of.
      fault.dropped++
      life.stalls = life.stalls.filter((each) => each !== fault)
      if (life.stalls.length === 0) this.#resume(life)
    })
  }

  skew(ms: number): void {
    this.#skewMs += ms
    const life = this.#life
    if (life) this.#input(life, { type: 'wall', offsetMs: this.#wallOffsetMs(life.clockMs) })
  }

  loseDisk(): number {
    invariant(this.#life === undefined, `${this.name} still runs`)
    return this.store.erase()
  }

  #resume(life: Life<M>): void {
    if (life !== this.#life || life.stalledSince === undefined) return
    const lagMs = this.#world.timeline.now - life.stalledSince
    life.stalledSince = undefined
    this.#input(life, { type: 'lag', lagMs })
    for (const input of life.held.splice(0)) this.#input(life, input)
  }

  #input(life: Life<M>, input: NodeInput): void {
    if (life !== this.#life) return
    if (life.stalledSince !== undefined) {
      life.held.push(input)
      for (const fault of life.stalls) fault.dropped++
      return
    }
    this.#guardAgainstSpinning()
    this.#world.turn(input)
    const { machine, clockMs, port } = life
    const effects = machine.handle(instant(this.#world.timeline.now + clockMs), input)
    const network: NetworkEffect[] = []
    for (const effect of effects) {
      this.#world.emit(effect)
      this.#carryOut(life, effect, network)
    }
    port.apply(network)
    const wakeAt = machine.nextWake()
    this.#world.wakeAt(wakeAt === undefined ? undefined : Math.max(this.#world.timeline.now, tickAfter(wakeAt - clockMs)))
  }

  #carryOut(life: Life<M>, effect: NodeEffect, network: NetworkEffect[]): void {
    switch (effect.type) {
      case 'dial':
      case 'send':
      case 'probe':
      case 'openLanes':
      case 'close':
        network.push(effect)
        return
      case 'persist':
        this.store.persist(effect, (ticket) => this.#input(life, { type: 'persisted', ticket }))
        return
      default:
    }
  }

  #wallOffsetMs(clockMs: number): number {
    return WALL_START_MS + this.#skewMs - clockMs
  }

  #guardAgainstSpinning(): void {
    const { now } = this.#world.timeline
    this.#turnsAtOnce = now === this.#lastTurnAt ? this.#turnsAtOnce + 1 : 0
    this.#lastTurnAt = now
    invariant(this.#turnsAtOnce < TURNS_PER_INSTANT_MAX, `${this.name} spins: ${TURNS_PER_INSTANT_MAX} turns without time passing`)
  }
}
