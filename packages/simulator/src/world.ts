/**
 * A world: hosts on a simulated network, each running one machine, under one virtual clock. Whatever happens is drawn
 * from one seed: same seed, same world, same trace.
 *
 *  1. Time moves only from event to event; a machine is called at the time of its input or its deadline.
 *  2. Every process has its own monotonic clock, and its own idea of wall time; both begin anew with every start.
 *  3. A crash ends the process between two turns; its store survives, but for what was not yet on disk.
 */
import { Deadlines, type Machine, type Random, SeededRandom, instant, invariant } from '@causeway/protocol'
import type { NodeEffect, NodeInput, NodeMachine } from '@causeway/node'
import { Fault } from './fault.ts'
import { SimulatedNetwork, type NetworkOptions } from './simulated-network.ts'
import { Timeline } from './timeline.ts'
import { type NodeSpec, WorldNode } from './world-node.ts'

export type SimulatedMachine = Machine<NodeInput, NodeEffect>

export type WorldOptions = NetworkOptions

/** Somebody who watches: checkers, traces, clients of the local API. */
export type Watcher<M extends SimulatedMachine> = (node: WorldNode<M>, effect: NodeEffect) => void
export type Observer<M extends SimulatedMachine> = (node: WorldNode<M>, input: NodeInput) => void

/** One node, or several that share a fate. */
export type Group = string | readonly string[]

export class World<M extends SimulatedMachine = NodeMachine> {
  readonly seed: number
  readonly timeline: Timeline = new Timeline()
  readonly random: Random
  readonly network: SimulatedNetwork
  /** Every fault that was ordered, in order. */
  readonly faults: Fault[] = []
  readonly #nodes = new Map<string, WorldNode<M>>()
  readonly #deadlines = new Deadlines<WorldNode<M>>()
  readonly #watchers: Watcher<M>[] = []
  readonly #observers: Observer<M>[] = []
  #trace = 0x811c9dc5
  #turns = 0

  constructor(seed: number, options: WorldOptions) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.network = new SimulatedNetwork(this.timeline, this.fork(), options)
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.timeline.now
  }

  get nodes(): readonly WorldNode<M>[] {
    return [...this.#nodes.values()]
  }

  /** Events and turns so far: what a simulator's speed is measured in. */
  get happened(): number {
    return this.timeline.happened + this.#turns
  }

  /** A number that differs if anything at all went differently. */
  get trace(): number {
    return this.#trace >>> 0
  }

  /** A generator of its own, so that one part of the world drawing more does not change another. */
  fork(): Random {
    return new SeededRandom(this.random.uint32())
  }

  /** Hears of every effect of every machine. */
  watch(watcher: Watcher<M>): void {
    this.#watchers.push(watcher)
  }

  /** Hears of every input, before the machine does. */
  observe(observer: Observer<M>): void {
    this.#observers.push(observer)
  }

  /** Adds a host and starts its machine. */
  add(spec: NodeSpec<M>): WorldNode<M> {
    invariant(!this.#nodes.has(spec.name), `there is a node ${spec.name} already`)
    const node = new WorldNode(spec, {
      timeline: this.timeline,
      network: this.network,
      random: this.fork(),
      turn: (input) => this.#turn(node, input),
      emit: (effect) => this.#emit(node, effect),
      wakeAt: (at) => this.#deadlines.set(node, at === undefined ? undefined : instant(at)),
    })
    this.#nodes.set(spec.name, node)
    node.start()
    return node
  }

  node(name: string): WorldNode<M> {
    const node = this.#nodes.get(name)
    invariant(node !== undefined, `there is no node ${name}`)
    return node
  }

  /** A local program asks the node for something; false if its process is down. */
  request(name: string, input: NodeInput): boolean {
    return this.node(name).request(input)
  }

  /** Lets `ms` milliseconds pass. */
  run(ms: number): void {
    this.runUntil(() => false, ms)
  }

  /** Lets time pass until the condition holds, asked after every event; false if it did not within `ms`. */
  runUntil(condition: () => boolean, ms: number): boolean {
    const until = this.now + ms
    while (!condition()) {
      const eventAt = this.timeline.nextAt
      const wakeAt = this.#deadlines.next() ?? Number.POSITIVE_INFINITY
      if (Math.min(eventAt, wakeAt) > until) {
        this.timeline.advance(until)
        return condition()
      }
      if (eventAt <= wakeAt) {
        this.timeline.step()
        continue
      }
      this.timeline.advance(wakeAt)
      for (const node of this.#deadlines.due(instant(this.now))) node.wake()
    }
    return true
  }

  /** Cuts what goes between the groups, silently. `oneWay`: only from the first to the second. */
  cut(a: Group, b: Group, options: { readonly oneWay?: boolean } = {}): Fault {
    const what = `cut ${say(a)} ${options.oneWay ? '→' : '|'} ${say(b)}`
    return this.#disturb('cut', what, a, b, { lossRatio: 1, extraDelayMs: 0 }, options.oneWay)
  }

  /** Cuts a group off from everybody else. */
  isolate(group: Group): Fault {
    const inside = list(group)
    return this.cut(
      inside,
      [...this.#nodes.keys()].filter((name) => !inside.includes(name)),
    )
  }

  setLoss(a: Group, b: Group, lossRatio: number, options: { readonly oneWay?: boolean } = {}): Fault {
    return this.#disturb('loss', `loss ${say(a)} ~ ${say(b)} ${lossRatio}`, a, b, { lossRatio, extraDelayMs: 0 }, options.oneWay)
  }

  slow(a: Group, b: Group, extraDelayMs: number, options: { readonly oneWay?: boolean } = {}): Fault {
    return this.#disturb('delay', `delay ${say(a)} ~ ${say(b)} +${extraDelayMs} ms`, a, b, { lossRatio: 0, extraDelayMs }, options.oneWay)
  }

  /** Kills the process. Its connections are reset towards the peers, as far as wires carry; healing restarts it. */
  crash(name: string): Fault {
    const node = this.node(name)
    const fault = this.#order(new Fault('crash', `crash ${name}`, () => node.start()))
    const { connections, tickets } = node.crash()
    fault.dropped = 1 + connections + tickets
    return fault
  }

  /** The power of these nodes fails at one moment, and with it all that their disks had not flushed; healing restarts them. */
  powerCut(group: Group): Fault {
    const nodes = list(group).map((name) => this.node(name))
    const start = (): void => nodes.forEach((node) => node.start())
    const fault = this.#order(new Fault('power', `power cut ${say(group)}`, start))
    for (const node of nodes) {
      const { connections, tickets } = node.crash(true)
      fault.dropped += 1 + connections + tickets
    }
    return fault
  }

  /** Starts a crashed process again with what its disk holds. */
  restart(name: string): void {
    const crash = this.faults.findLast((fault) => fault.active && fault.kind === 'crash' && fault.what === `crash ${name}`)
    invariant(crash !== undefined, `${name} has not crashed`)
    crash.heal()
  }

  /**
   * The event loop of the node stands still for `ms`; what comes in waits, and the machine is told of the lag. If `whole`,
   * the process is stopped with all its threads: nobody answers probes.
   */
  stall(name: string, ms: number, { whole = false }: { readonly whole?: boolean } = {}): Fault {
    const fault = this.#order(new Fault('stall', `${whole ? 'stop' : 'stall'} ${name} ${ms} ms`))
    this.node(name).stall(ms, fault, whole)
    return fault
  }

  /** Moves the node's wall clock; its monotonic clock goes on. */
  skew(name: string, ms: number): Fault {
    const fault = this.#order(new Fault('skew', `skew ${name} by ${ms} ms`, () => this.node(name).skew(-ms)))
    this.node(name).skew(ms)
    fault.dropped = 1
    return fault
  }

  /** The disk of a crashed node is replaced by an empty one. */
  loseDisk(name: string): Fault {
    const fault = this.#order(new Fault('disk', `disk of ${name} lost`))
    fault.dropped = this.node(name).loseDisk()
    return fault
  }

  /** Ends every fault that is still there, restarts included. */
  healAll(): void {
    for (const fault of this.faults) fault.heal()
  }

  #order(fault: Fault): Fault {
    this.faults.push(fault)
    return fault
  }

  #disturb(
    kind: 'cut' | 'loss' | 'delay',
    what: string,
    a: Group,
    b: Group,
    how: { lossRatio: number; extraDelayMs: number },
    oneWay = false,
  ): Fault {
    const pairs = list(a).flatMap((from) => list(b).map((to) => [this.node(from).host, this.node(to).host] as const))
    const wires = pairs.flatMap(([from, to]) => {
      const there = this.network.wire(from, to)
      return oneWay ? [there] : [there, this.network.wire(to, from)]
    })
    const fault = this.#order(
      new Fault(kind, what, () => {
        for (const wire of wires) wire.release(fault)
      }),
    )
    for (const wire of wires) wire.disturb({ fault, ...how })
    return fault
  }

  #turn(node: WorldNode<M>, input: NodeInput): void {
    this.#turns++
    for (const observer of this.#observers) observer(node, input)
    let trace = mix(mix(this.#trace, node.host.index), Math.round(this.now * 1000))
    trace = mix(trace, input.type.length * 31 + input.type.charCodeAt(0))
    if (input.type === 'received') {
      for (const message of input.messages) {
        const end = Math.min(64, message.length)
        for (let at = 0; at < end; at++) trace = mix(trace, message[at] as number)
      }
    }
    this.#trace = trace
  }

  #emit(node: WorldNode<M>, effect: NodeEffect): void {
    for (const watcher of this.#watchers) watcher(node, effect)
  }
}

/** FNV-1a (Fowler, Noll and Vo). */
function mix(trace: number, value: number): number {
  return Math.imul(trace ^ value, 0x01000193)
}

function list(group: Group): readonly string[] {
  return typeof group === 'string' ? [group] : group
}

function say(group: Group): string {
  return list(group).join('+')
}
