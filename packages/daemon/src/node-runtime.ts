/**
 * The driver of a node's machine: it gives it inputs one after another, carries out its effects in order, wakes it
 * when it asks, and tells it what the surroundings do to time. What the machine reports is handed on to whoever
 * asked: log, API, waiting requests.
 *
 *  1. One input at a time. What carrying out an effect causes waits until all effects of that input are done.
 *  2. `wall` is the first input of all; nothing is handled before `start`.
 *  3. Time never goes backwards: one clock, `performance.now()`.
 *  4. A machine that throws is a bug of ours. The node stops at once with exit code 70: it never limps on.
 *  5. While the store takes nothing, writes are refused; all else goes on.
 */
import type { Logger } from 'pino'
import {
  CausewayError,
  type DelayCounts,
  type EventEffect,
  type EventView,
  type Instant,
  LIMITS,
  type Limits,
  type NetworkEffect,
  type PingReply,
  type StoreEffect,
  type Violation,
  type ViolationCode,
  WAKE,
  instant,
} from '@causeway/protocol'
import type { EngineEffect, NodeEffect, NodeInput, NodeMachine, RequestInput, ResponseEffect } from '@causeway/node'
import type { ChangeEffect, SharedEffect, UnsyncedEffect, WriteInput, WrittenEffect } from '@causeway/state'
import { Clockwork } from './clockwork.ts'
import { ProgramPort } from './program-port.ts'
import type { Pulse } from './pulse.ts'
import { TaskPort } from './tasks/task-port.ts'

/** EX_SOFTWARE of sysexits: an internal software error was detected. */
export const EXIT_BUG = 70
const RECENT_EVENTS_MAX = 1_000
const VIOLATION_KINDS_MAX = 10_000

export interface NodeRuntimeOptions {
  readonly machine: NodeMachine
  /** @default LIMITS */
  readonly limits?: Limits
  readonly log: Logger
  /** Beats while the runtime runs. */
  readonly pulse: Pulse
  /** Called once, after the machine threw; must not return in production. @default exits the process */
  readonly onFatal?: (error: unknown) => void
}

export interface Outside {
  readonly network: { apply(effect: NetworkEffect): void }
  readonly store: { persist(effect: StoreEffect): void }
  /** Where leases are granted, if that is not in the machine. */
  readonly leases?: { call(effect: EngineEffect): void } | undefined
}

/** What a caller wants written; the runtime numbers it. */
export type WriteRequest = Omit<WriteInput, 'type' | 'request'> & { readonly strict?: boolean }

export interface PingRequest {
  readonly to: string
  readonly count: number
  readonly intervalMs: number
  readonly bytes: number
}

export class NodeRuntime {
  readonly machine: NodeMachine
  readonly programs: ProgramPort
  readonly tasks: TaskPort
  readonly #log: Logger
  readonly #onFatal: (error: unknown) => void
  readonly #clockwork: Clockwork
  readonly #queue: NodeInput[] = []
  #outside: Outside | undefined
  #handling = false
  #dead = false
  #lastRequest = 0
  #writeRefusal: CausewayError | undefined
  readonly #writing = new Set<number>()
  readonly #requests = new Map<number, (effect: ResponseEffect | CausewayError) => void>()
  readonly #stopped = Promise.withResolvers<void>()
  readonly #onEvent = new Set<(event: EventView) => void>()
  readonly #onChange = new Set<(change: ChangeEffect) => void>()
  readonly #onUnsynced = new Set<(left: UnsyncedEffect) => void>()
  readonly #onShared = new Set<(news: SharedEffect) => void>()
  readonly #recentEvents: EventView[] = []
  readonly #violations = new Map<string, number>()
  readonly #violationCounts: Record<ViolationCode, number> = {
    malformed: 0,
    oversized: 0,
    unexpected: 0,
    'bad-credential': 0,
    'bad-batch': 0,
    'out-of-scope': 0,
    overflow: 0,
  }

  constructor(options: NodeRuntimeOptions) {
    this.machine = options.machine
    this.programs = new ProgramPort((input) => this.input(input), options.limits ?? LIMITS)
    this.tasks = new TaskPort((input) => this.input(input))
    this.#log = options.log
    this.#onFatal = options.onFatal ?? (() => process.exit(EXIT_BUG))
    this.#clockwork = new Clockwork({
      pulse: options.pulse,
      onWake: () => this.input(WAKE),
      onClock: (input) => this.input(input),
      report: (name, data) => this.report({ type: 'event', name, data }),
    })
  }

  /** Begins: first the wall clock, then whatever has come in meanwhile. */
  start(outside: Outside): void {
    this.#outside = outside
    this.#queue.unshift(this.#clockwork.start(), WAKE)
    this.#drain()
  }

  now(): Instant {
    return instant(performance.now())
  }

  /** False if the input has to wait until what is being handled is done. */
  input(input: NodeInput): boolean {
    if (this.#dead) return true
    this.#queue.push(input)
    if (!this.#outside || this.#handling) return false
    this.#drain()
    return true
  }

  /** Answers when the write is done; throws what refused it. */
  write(write: WriteRequest): Promise<WrittenEffect> {
    return this.#write((request) => ({ ...write, type: 'write', request }))
  }

  /** The same of an update of a shared document. */
  writeShared(name: string, update: Uint8Array): Promise<WrittenEffect> {
    return this.#write((request) => ({ type: 'writeShared', request, name, update }))
  }

  #write(inputOf: (request: number) => RequestInput): Promise<WrittenEffect> {
    if (this.#writeRefusal) return Promise.reject(this.#writeRefusal)
    return new Promise((resolve, reject) => {
      const request = this.#expect((effect) => {
        if (effect instanceof CausewayError) reject(effect)
        else if (effect.type === 'written') resolve(effect)
        else return
        this.#requests.delete(request)
        this.#writing.delete(request)
      })
      this.#writing.add(request)
      this.input(inputOf(request))
    })
  }

  /** The store takes nothing for now, or, without a fault, does again. What waits to be written is told that it may yet be. */
  refuseWrites(fault: CausewayError | undefined): void {
    this.#writeRefusal = fault
    if (!fault) return this.report({ type: 'event', name: 'store-writable', data: {} })
    this.report({ type: 'event', name: 'store-full', data: { reason: fault.message } })
    const { code, message, remedy } = fault
    const late = new CausewayError(code, `${message}; this write may yet take effect, once there is room`, remedy, { cause: fault })
    for (const request of [...this.#writing]) this.#requests.get(request)?.(late)
  }

  /** Why the store takes no writes; `undefined`: it does. */
  get storeFault(): string | undefined {
    return this.#writeRefusal?.message
  }

  /** Something that happened around the machine. */
  report(event: EventEffect): void {
    this.#event(event)
  }

  /** Calls `onReply` for each answer and resolves at the end, with the fault if there was one. */
  ping(ping: PingRequest, onReply: (reply: PingReply) => void): { readonly ended: Promise<string | null>; cancel(): void } {
    const ended = Promise.withResolvers<string | null>()
    const request = this.#expect((effect) => {
      if (!(effect instanceof CausewayError) && effect.type === 'pinged') return onReply(effect.reply)
      this.#requests.delete(request)
      if (effect instanceof CausewayError) ended.reject(effect)
      else ended.resolve(effect.type === 'pingEnded' ? effect.error : null)
    })
    this.input({ ...ping, type: 'ping', request } satisfies RequestInput)
    const cancel = (): void => {
      if (this.#requests.delete(request)) this.input({ type: 'cancel', request })
    }
    return { ended: ended.promise, cancel }
  }

  /** Calls `listener` for every event from now on, until the returned function is called. */
  onEvent(listener: (event: EventView) => void): () => void {
    this.#onEvent.add(listener)
    return () => this.#onEvent.delete(listener)
  }

  onChange(listener: (change: ChangeEffect) => void): () => void {
    this.#onChange.add(listener)
    return () => this.#onChange.delete(listener)
  }

  /** Partitions that this node holds no longer. */
  onUnsynced(listener: (left: UnsyncedEffect) => void): () => void {
    this.#onUnsynced.add(listener)
    return () => this.#onUnsynced.delete(listener)
  }

  /** What comes to shared documents that are open. */
  onShared(listener: (news: SharedEffect) => void): () => void {
    this.#onShared.add(listener)
    return () => this.#onShared.delete(listener)
  }

  /** The last events, oldest first. */
  get recentEvents(): readonly EventView[] {
    return this.#recentEvents
  }

  /** Asks the machine to stop in good order and waits for it, but not longer than `withinMs`. */
  async stop(withinMs: number): Promise<void> {
    if (!this.#outside) return this.#end()
    this.input({ type: 'stop' })
    const deadline = setTimeout(() => this.#stopped.resolve(), withinMs)
    await this.#stopped.promise
    clearTimeout(deadline)
    this.#end()
  }

  #expect(onEffect: (effect: ResponseEffect | CausewayError) => void): number {
    const request = ++this.#lastRequest
    this.#requests.set(request, onEffect)
    if (this.#dead) queueMicrotask(() => onEffect(stopping()))
    return request
  }

  #drain(): void {
    const outside = this.#outside
    if (!outside) return
    this.#handling = true
    try {
      for (let input = this.#queue.shift(); input && !this.#dead; input = this.#queue.shift()) {
        for (const effect of this.machine.handle(this.now(), input)) this.#carryOut(outside, effect)
      }
      this.#clockwork.wakeAt(this.machine.nextWake())
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#handling = false
    }
  }

  #carryOut(outside: Outside, effect: NodeEffect): void {
    switch (effect.type) {
      case 'dial':
      case 'send':
      case 'probe':
      case 'openLanes':
      case 'close':
        return outside.network.apply(effect)
      case 'persist':
        return outside.store.persist(effect)
      case 'event':
        return this.#event(effect)
      case 'violation':
        return this.#violation(effect)
      case 'written':
      case 'pinged':
      case 'pingEnded':
        return this.#requests.get(effect.request)?.(effect)
      case 'stopped':
        return this.#stopped.resolve()
      case 'channelOpened':
      case 'channelAccepted':
      case 'channelMessages':
      case 'channelBlocked':
      case 'channelWritable':
      case 'channelFinished':
      case 'channelEnded':
        return this.programs.effect(effect)
      case 'taskOrdered':
      case 'taskExplained':
      case 'taskGiven':
      case 'taskChanged':
      case 'taskTaken':
        return this.tasks.effect(effect)
      case 'leaseCall':
        return outside.leases?.call(effect)
      case 'unsynced':
        for (const listener of this.#onUnsynced) listener(effect)
        return
      case 'shared':
        for (const listener of this.#onShared) listener(effect)
        return
      default:
        for (const listener of this.#onChange) listener(effect)
    }
  }

  #event(effect: EventEffect): void {
    const event = { at: Date.now(), name: effect.name, data: effect.data }
    this.#log.info(effect.data, effect.name)
    this.#recentEvents.push(event)
    if (this.#recentEvents.length > RECENT_EVENTS_MAX) this.#recentEvents.shift()
    for (const listener of this.#onEvent) listener(event)
  }

  /**
   * One line per peer and kind: a hostile peer must not be able to fill the disk with our log. A stranger counts by
   * its host, because it comes from another port each time.
   */
  #violation({ peer, code, detail }: Violation): void {
    this.#violationCounts[code]++
    const key = `${code} ${peer.replace(/:\d+$/, '')}`
    const count = this.#violations.get(key) ?? 0
    if (count === 0 && this.#violations.size >= VIOLATION_KINDS_MAX) return
    this.#violations.set(key, count + 1)
    if (count === 0) this.#log.warn({ peer, code, detail }, 'a peer broke the protocol; more of the same is only counted')
  }

  /** How often each peer broke the protocol, by `code peer`. */
  get violations(): ReadonlyMap<string, number> {
    return this.#violations
  }

  /** How often anybody broke the protocol in that way; also those that are too many to tell apart. */
  get violationCounts(): Readonly<Record<ViolationCode, number>> {
    return { ...this.#violationCounts }
  }

  /** How late the event loop ran its ticks, since the start. */
  get loopLag(): DelayCounts {
    return this.#clockwork.lag.snapshot()
  }

  #fail(error: unknown): void {
    this.#log.fatal({ err: error }, 'a bug in Causeway; the node stops. Please report this with the lines before it')
    this.#end()
    this.#onFatal(error)
  }

  #end(): void {
    if (this.#dead) return
    this.#dead = true
    this.#clockwork.stop()
    this.programs.stop()
    this.tasks.stop()
    this.#stopped.resolve()
    for (const onEffect of this.#requests.values()) onEffect(stopping())
    this.#requests.clear()
  }
}

function stopping(): CausewayError {
  return new CausewayError('refused', 'this node is stopping', 'ask again once it runs')
}
