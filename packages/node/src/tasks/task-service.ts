/**
 * Tasks on one node: reads, orders of programs, workers and their leases, and the lines to those who grant. On a hub that
 * grants, an authority answers what nodes ask; its own programs ask it too, without a line.
 *
 *  1. What has run out is looked at before anything else in a turn (`begin`), what was written is told at its end (`settle`).
 */
import {
  type EventEffect,
  type Instant,
  type NodeId,
  type RecordView,
  type TaskAnswer,
  TASK_COLLECTIONS,
  TASK_SERVICE,
  type TaskQuestion,
  type TaskToken,
  after,
  decodeTaskMessage,
  earliest,
  nodeId,
} from '@causeway/protocol'
import type { ChannelHandle } from '@causeway/mesh'
import type { ChangeEffect, Replica, WriteInput, WriteOutcome } from '@causeway/state'
import type { EngineInput, TaskDesk, TaskEffect, TaskInput, TaskMetrics, TaskReader } from '../task-contract.ts'
import type { NodeService } from '../services.ts'
import { LeaseHolder } from './lease-holder.ts'
import { StrictWrites } from './strict-writes.ts'
import type { OwnWrite, StrictAuthority, TaskAuthority, TaskHost, Write } from './task-host.ts'
import { TaskIndex } from './task-index.ts'
import { TaskLines } from './task-lines.ts'
import { TaskOrders } from './task-orders.ts'
import type { TaskParts } from './task-parts.ts'

/** A hub that has not answered for so long is not asked again on the same line. */
const SILENT_MS = 6_000
/** As JSON. */
const NOTHING_OFFERED = 'null'
const COLLECTIONS: readonly string[] = Object.values(TASK_COLLECTIONS)

/** The part of a hub that grants, as the service drives it. */
export interface Authority extends TaskAuthority {
  /** A record of this task has changed. */
  recordChanged(now: Instant, parts: TaskParts): void
  /** What the workers of a node offer has changed. */
  offersChanged(now: Instant, node: string, site: string, record: RecordView | undefined): void
  /** The engine behind the driver has answered. */
  leaseAnswered(now: Instant, input: EngineInput): void
  /** The machine slept, and its clock with it: what happened meanwhile has not been heard. */
  slept(now: Instant): void
  wake(now: Instant): void
  nextWake(): Instant | undefined
  metrics(): NonNullable<TaskMetrics['allocator']>
}

/** What a hub that grants is asked for: tasks, and strict writes of records. */
export interface Granting {
  readonly tasks: Authority
  readonly writes: StrictAuthority
}

export interface AuthorityParts {
  readonly host: TaskHost
  readonly index: TaskIndex
  readonly write: Write
  /** Says to a node that there is news of a task. */
  readonly hint: (now: Instant, node: string, task: string, token: TaskToken) => void
}

/** By more than this: the machine slept, or its clock was set. */
const SLEPT_MS = 1_000

export class TaskService implements TaskDesk, NodeService {
  readonly #host: TaskHost
  readonly #index = new TaskIndex()
  readonly #lines: TaskLines
  readonly #orders: TaskOrders
  readonly #strict: StrictWrites
  readonly #holder: LeaseHolder
  readonly #write: Write
  #authority: Authority | undefined
  #writes: StrictAuthority | undefined
  /** Writes that are durable or refused, to be told at the end of the turn. */
  #written: { readonly result: WriteOutcome; readonly done: (now: Instant, result: WriteOutcome) => void }[] = []
  /** Which of the hubs that could be asked is asked. */
  #hub: NodeId | undefined
  #askedAt: Instant | undefined
  #offered: string
  #offeredVersion: number | undefined

  constructor(now: Instant, host: TaskHost, replica: Replica) {
    this.#host = host
    this.#lines = new TaskLines(host.mesh)
    this.#write = (at, write, done = () => {}) => this.#put(at, write, done)
    this.#orders = new TaskOrders(host, this.#index, this.#write, {
      authority: () => this.#authority,
      ask: (at, question, another) => this.#ask(at, question, another),
    })
    this.#strict = new StrictWrites(host, {
      authority: () => this.#writes,
      ask: (at, number, write) => this.#ask(at, { type: 'write', number, write }, false),
    })
    this.#holder = new LeaseHolder(now, host, this.#index, this.#write)
    for (const collection of COLLECTIONS) {
      for (const record of replica.list(collection)) this.#index.take(collection, record.key, record.partition, record)
    }
    for (const parts of this.#index.all()) this.#holder.changed(now, parts, true)
    // An earlier life of this node may have offered workers that are there no more.
    this.#offered = JSON.stringify(replica.get(TASK_COLLECTIONS.workers, host.credential.site, host.credential.name)?.value ?? null)
  }

  /** Makes this node one that grants. */
  grantBy(make: (parts: AuthorityParts) => Granting): void {
    const { lines, host } = { lines: this.#lines, host: this.#host }
    const { tasks, writes } = make({
      ...{ host, index: this.#index, write: this.#write },
      hint: (now, node, task, token) => {
        if (node === host.credential.name) this.#holder.hint(now, task, token)
        else lines.ask(now, this.#idOf(node), { type: 'hint', task, token })
      },
    })
    this.#authority = tasks
    this.#writes = writes
  }

  // ---- TaskDesk

  get tasks(): TaskReader {
    return this.#index
  }

  leaseUntil(now: Instant, id: string, token: TaskToken): Instant | null | undefined {
    return this.#holder.leaseUntil(now, id, token)
  }

  taskMetrics(): TaskMetrics {
    const { workers, held, given, taken, refusedReports } = this.#holder
    return {
      workers: workers.size,
      slots: workers.slots,
      held,
      given,
      taken,
      refusedReports,
      allocator: this.#authority?.metrics() ?? null,
    }
  }

  // ---- programs

  input(now: Instant, input: TaskInput | EngineInput): void {
    const emit = (effect: TaskEffect | EventEffect): void => this.#host.emit(effect)
    switch (input.type) {
      case 'orderTask': {
        const { request, order } = input
        this.#orders.order(now, order, (_, result) => emit({ type: 'taskOrdered', request, result }))
        break
      }
      case 'explainTask': {
        const { request, about } = input
        this.#orders.explain(now, about, (_, result) => emit({ type: 'taskExplained', request, result }))
        break
      }
      case 'work': {
        const { worker, selector, slots, capacity, running = [] } = input
        const claims = running.map(({ id, token }) => ({ task: id, token }))
        const fault = this.#holder.work(now, worker, { selector, slots, capacity }, claims)
        if (fault !== undefined) emit({ type: 'event', name: 'worker-refused', data: { worker, reason: fault } })
        break
      }
      case 'workEnded':
        this.#holder.workEnded(now, input.worker)
        break
      case 'leaseAnswer':
        this.#authority?.leaseAnswered(now, input)
        break
      case 'reportTask':
        this.#holder.report(now, input.worker, input.id, input.token, input.report)
    }
  }

  /** Has it made by whoever grants, if it is a strict one; false if it is not. */
  takesStrict(now: Instant, { request, collection, partition, changes, strict }: WriteInput & { readonly strict?: boolean }): boolean {
    if (!strict && !this.#host.strict?.has(collection)) return false
    this.#strict.write(now, { collection, partition, changes }, (_, result) => this.#host.emit({ type: 'written', request, result }))
    return true
  }

  // ---- records

  changed(now: Instant, { collection, change, record }: ChangeEffect): void {
    if (!COLLECTIONS.includes(collection)) return
    const present = change === 'DELETED' ? undefined : record
    if (collection === TASK_COLLECTIONS.workers) {
      // Somebody has removed what we offer: it is offered again.
      if (change === 'DELETED' && record.key === this.#host.credential.name) {
        this.#offered = NOTHING_OFFERED
        this.#offeredVersion = undefined
      }
      this.#authority?.offersChanged(now, record.key, record.partition, present)
      return
    }
    const parts = this.#index.take(collection, record.key, record.partition, present)
    if (!parts) return
    if (change === 'DELETED' && collection === TASK_COLLECTIONS.status && record.key === `${parts.id}@${this.#host.credential.name}`)
      this.#holder.statusRemoved(now, parts.id)
    this.#holder.changed(now, parts)
    this.#authority?.recordChanged(now, parts)
  }

  #put(now: Instant, write: OwnWrite, done: (now: Instant, result: WriteOutcome) => void): void {
    this.#host.write(now, write, (result) => this.#written.push({ result, done }))
  }

  // ---- channels

  serves(service: string): boolean {
    return service === TASK_SERVICE
  }

  owns(channel: ChannelHandle): boolean {
    return this.#lines.owns(channel)
  }

  accepted(channel: ChannelHandle, peer: NodeId): void {
    this.#lines.accepted(channel, peer)
  }

  /** False if the peer does not keep to the rules. */
  message(now: Instant, channel: ChannelHandle, bytes: Uint8Array): boolean {
    const message = decodeTaskMessage(bytes)
    if (!message) return false
    const from = this.#lines.peerOf(channel)
    if (from === undefined) return true
    const by = this.#host.mesh.credentialOf(from)
    // Nobody speaks on a channel who has not shown a credential; it may just have been forgotten.
    if (!by) return true
    const answer = (at: Instant, said: TaskAnswer): void => this.#lines.answer(at, channel, said)
    const authority = this.#authority
    switch (message.type) {
      case 'order': {
        const { number, order } = message
        authority?.order(now, by, number, order, (at, result) => answer(at, { type: 'ordered', number, result }))
        break
      }
      case 'explain':
        if (authority) answer(now, { type: 'explained', number: message.number, result: authority.explain(now, by, message.about) })
        break
      case 'renew':
        authority?.renew(now, by.name, message, answer)
        break
      case 'write': {
        const { number, write } = message
        this.#writes?.write(now, by, write, (at, result) => answer(at, { type: 'written', number, result }))
        break
      }
      case 'hint':
        this.#holder.hint(now, message.task, message.token)
        break
      default:
        // Whoever was not asked has nothing to answer.
        if (from === this.#hub) this.#answered(now, message)
    }
    return true
  }

  #answered(now: Instant, message: Exclude<TaskAnswer, { type: 'hint' }>): void {
    this.#askedAt = undefined
    if (message.type === 'renewed') this.#holder.answered(now, message)
    else if (message.type === 'written') this.#strict.answered(now, message.number, message.result)
    else this.#orders.answered(now, message.number, message.result)
  }

  blocked(): void {
    // What is said here is little, and who waits for an answer has a time limit.
  }

  ended(now: Instant, channel: ChannelHandle): void {
    const peer = this.#lines.peerOf(channel)
    this.#lines.ended(channel)
    if (peer === undefined || peer !== this.#hub) return
    this.#orders.askAgain(now)
    this.#strict.lost(now)
  }

  #ask(now: Instant, question: TaskQuestion, another: boolean): boolean {
    const { place } = this.#host
    const hubs = place.engine === 'embedded' ? [this.#idOf(place.hub)] : this.#host.hubs()
    const present = this.#hub === undefined ? -1 : hubs.indexOf(this.#hub)
    if (present < 0 || another) this.#hub = hubs[(present + 1) % Math.max(1, hubs.length)]
    if (this.#hub === undefined) return false
    this.#askedAt ??= now
    this.#lines.ask(now, this.#hub, question)
    return true
  }

  #idOf(name: string): NodeId {
    const id = nodeId(name)
    this.#host.mesh.learnName(id, name)
    return id
  }

  // ---- time

  begin(now: Instant): void {
    this.#holder.begin(now)
  }

  /** The wall clock went ahead of the monotonic one by so much, or back. */
  wallMoved(now: Instant, ms: number, slept?: boolean): void {
    if (ms > SLEPT_MS) this.#holder.slept(now, ms, slept)
    if (slept) this.#authority?.slept(now)
  }

  wake(now: Instant): void {
    this.#orders.wake(now)
    this.#strict.wake(now)
    this.#authority?.wake(now)
    this.#writes?.wake(now)
  }

  nextWake(): Instant | undefined {
    const ofWrites = earliest(this.#strict.nextWake(), this.#writes?.nextWake())
    const ofPrograms = earliest(this.#orders.nextWake(), ofWrites)
    return earliest(ofPrograms, earliest(this.#holder.nextWake(), this.#authority?.nextWake()))
  }

  /** The end of a turn. */
  settle(now: Instant): void {
    for (let written = this.#written.splice(0); written.length > 0; written = this.#written.splice(0)) {
      for (const { result, done } of written) done(now, result)
    }
    this.#offer(now)
    this.#renew(now)
  }

  #renew(now: Instant): void {
    const questions = this.#holder.questions(now)
    if (questions.length === 0) return
    const { name } = this.#host.credential
    if (this.#authority) {
      for (const question of questions) this.#authority.renew(now, name, question, (at, answer) => this.#holder.answered(at, answer))
      return
    }
    const silent = this.#askedAt !== undefined && now >= after(this.#askedAt, SILENT_MS)
    if (silent && this.#hub !== undefined) {
      // What waits there is older than what we ask now.
      this.#lines.reset(now, this.#hub, 'it does not answer')
      this.#askedAt = undefined
    }
    for (const [at, question] of questions.entries()) this.#ask(now, question, silent && at === 0)
  }

  /** Tells everybody what our workers offer, if that has changed. */
  #offer(now: Instant): void {
    const { version } = this.#holder.workers
    if (version === this.#offeredVersion) return
    this.#offeredVersion = version
    const { name, site } = this.#host.credential
    const workers = this.#holder.workers.offers()
    const value = workers.length === 0 ? null : { workers }
    const offered = JSON.stringify(value)
    if (offered === this.#offered) return
    this.#offered = offered
    const operation = value ? ({ type: 'put', value } as const) : ({ type: 'delete' } as const)
    this.#put(now, { collection: TASK_COLLECTIONS.workers, partition: site, changes: [{ key: name, operation }] }, () => {})
  }
}
