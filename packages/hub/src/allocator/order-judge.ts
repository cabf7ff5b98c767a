/**
 * Orders of controllers, judged: what may be done with a task in its phase, and by which step. An illegal one is refused with
 * the reason, and changes nothing.
 *
 *  1. A submission is known by its id: however often and wherever it arrives, it makes one task.
 *  2. The same order of the same node is answered as it was the first time.
 */
import {
  type Instant,
  type Refusal,
  type TaskOrder,
  type TaskOutcome,
  type TaskPhase,
  type TaskRecord,
  type TaskWhyView,
  after,
} from '@causeway/protocol'
import { type Authority, type TaskParts, orderFault, refusal, updateTask } from '@causeway/node'
import type { Allocator, AllocatorSurroundings } from './allocator.ts'
import { type Grant, isGranted } from './ledger.ts'

/** Answers that are remembered, of each node. */
const REMEMBERED_MAX = 256
const RETRY_MS = 2_000
/** A hub that won the right to create a task, and is in reach, has told of it within this, or died before. */
const CONTESTED_MS = 60_000

type Done = (now: Instant, result: TaskOutcome) => void
type Submission = Extract<TaskOrder, { type: 'submit' }>

export class OrderJudge {
  readonly #of: AllocatorSurroundings
  readonly #allocator: Allocator
  /** Ids that are being created, and who waits for it. */
  readonly #creating = new Map<string, Done[]>()
  /** Ids that another hub has the right to create. */
  readonly #contested = new Map<string, { readonly token: number; readonly holder: string; readonly since: Instant }>()
  /** Requests that are being seen to, by site and id. */
  readonly #requests = new Set<string>()
  readonly #answers = new Map<string, Map<number, TaskOutcome | Done[]>>()

  constructor(surroundings: AllocatorSurroundings, allocator: Allocator) {
    this.#of = surroundings
    this.#allocator = allocator
  }

  /** Invariant 2. */
  order(...[now, from, number, order, done]: Parameters<Authority['order']>): void {
    let answers = this.#answers.get(from)
    if (!answers) this.#answers.set(from, (answers = new Map()))
    const before = answers.get(number)
    if (Array.isArray(before)) {
      before.push(done)
      return
    }
    if (before) return done(now, before)
    const waiting: Done[] = [done]
    answers.set(number, waiting)
    const [oldest] = answers.keys()
    if (answers.size > REMEMBERED_MAX && oldest !== undefined) answers.delete(oldest)
    this.#judge(now, order, from, (at, result) => {
      // What was refused may be right the next time; it changed nothing.
      if (result.ok) answers.set(number, result)
      else answers.delete(number)
      for (const each of waiting) each(at, result)
    })
  }

  explain(now: Instant, id: string): TaskWhyView | Refusal {
    const parts = this.#of.index.find(id)
    const task = parts?.view()
    if (!parts || !task) return notFound(id)
    return { task, candidates: this.#of.placement.explain(now, parts) }
  }

  /** A node has written down a submission while it could not reach us. */
  requested(now: Instant, parts: TaskParts): void {
    const { request, id } = parts
    const what = `${parts.site}/${id}`
    if (!request || this.#requests.has(what)) return
    const { submission, from } = request.value
    this.#requests.add(what)
    this.#submit(now, { type: 'submit', ...submission, id }, from, true, (at, result) => {
      this.#requests.delete(what)
      const present = this.#of.index.parts(id, parts.site)
      if (result.ok && present) this.#of.ledger.settleRequest(at, present, `the task is at ${result.task.site}`)
      else if (!result.ok && result.code === 'refused' && present) this.#of.ledger.settleRequest(at, present, `refused: ${result.message}`)
      // It was promised: it is tried until it is done.
      else if (!result.ok) this.#allocator.look(id, after(at, RETRY_MS))
    })
  }

  #judge(now: Instant, order: TaskOrder, from: string, done: Done): void {
    const fault = orderFault(order)
    if (fault) return done(now, fault)
    if (order.type === 'submit') return this.#submit(now, order, from, false, done)
    const parts = this.#of.index.find(order.id)
    const task = parts?.view()
    if (!parts?.task || !task || task.phase === 'gone')
      return done(now, task ? ended(order.id, task.phase, task.reason) : notFound(order.id))
    if (order.type === 'update') return updateTask(now, this.#of, order, done)
    if (this.#allocator.isBusy(order.id)) {
      const remedy = 'Try again in a moment.'
      return done(now, refusal('conflict', `${order.id} is being granted just now`, remedy))
    }
    if (task.phase === 'deleting') return done(now, ended(order.id, task.phase, task.reason))
    if (order.type === 'stop') this.#stop(now, parts, done)
    else if (order.type === 'undelete') this.#undelete(now, parts, done)
    else this.#move(now, parts, order, done)
  }

  // ---- submit

  #submit(now: Instant, order: Submission, from: string, wasPromised: boolean, done: Done): void {
    const { id = '' } = order
    const known = this.#of.index.find(id)
    const view = known?.view()
    if (known?.task && view && view.phase !== 'gone') return done(now, { ok: true, task: view, created: false })
    const waiting = this.#creating.get(id)
    if (waiting) {
      waiting.push(done)
      return
    }
    const task = this.#recordOf(now, order)
    const labels = order.labels ?? {}
    const hopeless = wasPromised ? undefined : this.#of.placement.hopeless(now, { id, task, labels, to: null })
    if (hopeless !== undefined) return done(now, refusal('refused', hopeless, 'Start a worker that takes it, or ask for less.'))
    const dones = [done]
    this.#creating.set(id, dones)
    const finish = (at: Instant, result: TaskOutcome): void => {
      this.#creating.delete(id)
      for (const [index, each] of dones.entries()) each(at, result.ok ? { ...result, created: index === 0 && result.created } : result)
    }
    // Two hubs with one engine may be asked at once: one of them wins the right to create it.
    const holder = this.#of.host.credential.name
    const expected = this.#overdue(now, id)
    this.#of.engine.call(now, { op: 'grant', task: `create/${id}`, holder, expected }, (at, answer) => {
      const token = answer.ok ? answer.leases[0]?.token : undefined
      if (token !== undefined) return this.#create(at, { id, task, labels, token, from }, finish)
      if (answer.ok === null) return finish(at, refusal('unreachable', `the engine does not answer: ${answer.error}`, 'Try again.'))
      const [other] = answer.leases
      if (!other) this.#contested.delete(id)
      else if (this.#contested.get(id)?.token !== other.token)
        this.#contested.set(id, { token: other.token, holder: other.holder, since: at })
      finish(at, refusal('conflict', `${id} is being created by ${other?.holder ?? 'another hub'}`, 'Read it again in a moment.'))
    })
  }

  /**
   * Whoever won the right to create it has not done so: the token to take it over from. That is an earlier life of ours, or a
   * hub that is in reach, and so would have told us of the task.
   */
  #overdue(now: Instant, id: string): number | null {
    const contested = this.#contested.get(id)
    if (!contested) return null
    const isOurs = contested.holder === this.#of.host.credential.name
    if (!isOurs && (now < after(contested.since, CONTESTED_MS) || !this.#of.reaches(contested.holder))) return null
    this.#contested.delete(id)
    return contested.token
  }

  #create(
    now: Instant,
    {
      id,
      task,
      labels,
      token,
      from,
    }: {
      readonly id: string
      readonly task: TaskRecord
      readonly labels: Readonly<Record<string, string>>
      readonly token: number
      readonly from: string
    },
    finish: Done,
  ): void {
    const site = task.site ?? task.near ?? this.#of.host.credential.site
    const grant: Grant = { phase: 'initialised', token, node: null, reason: `submitted at ${from}`, goal: null, to: null, conditions: [] }
    this.#of.ledger.create(now, { id, site, task, labels }, grant, (at, ok) => {
      const view = this.#of.index.get(id)
      // Others that do not see it yet must not create it again: of a shared engine the right to do so runs out by itself.
      if (!this.#of.engine.isShared) this.#of.engine.call(at, { op: 'release', task: `create/${id}`, token }, () => {})
      if (ok && view) finish(at, { ok: true, task: view, created: true })
      else finish(at, refusal('unreachable', `${id} could not be written down`, 'See the log of the hub that grants tasks.'))
    })
  }

  #recordOf(now: Instant, order: Submission): TaskRecord {
    const { spec, policy = 'sticky', convergeKey = null, needs = {}, nodes = '', site = null, near = null } = order
    const createdAt = this.#of.host.wallMs(now)
    return { desired: { spec: spec ?? null, generation: 1 }, policy, convergeKey, needs, nodes, site, near: near ?? site, createdAt }
  }

  // ---- the others

  #stop(now: Instant, parts: TaskParts, done: Done): void {
    const { grant } = parts
    const granted = grant !== undefined && isGranted(grant.phase)
    if (grant?.phase === 'tombstone' && grant.goal === 'stop') return this.#done(now, parts.id, done)
    const reason = granted ? `stopping: ${grant.node ?? 'its node'} is asked to end it` : 'stopped before it ran'
    const change = { phase: granted ? 'tombstone' : 'deleting', goal: granted ? 'stop' : null, reason } as const
    this.#allocator.say(now, parts, change, (at) => this.#done(at, parts.id, done))
  }

  #undelete(now: Instant, parts: TaskParts, done: Done): void {
    const { grant, id } = parts
    if (grant?.phase !== 'tombstone' || grant.node === null) {
      const message = `${id} is ${grant?.phase ?? 'initialised'}: only a task that is being stopped can be undeleted`
      return done(now, refusal('refused', message, 'Submit it again if it has ended.'))
    }
    const to = { node: grant.node, site: parts.site }
    this.#allocator.grant(now, parts, to, grant.token, 'undeleted', (at, ok) => this.#granted(at, id, ok, done))
  }

  #move(now: Instant, parts: TaskParts, order: Extract<TaskOrder, { type: 'move' }>, done: Done): void {
    const { grant, id, task } = parts
    const { to = null, force = false }: { readonly to?: string | null; readonly force?: boolean } = order
    if (grant?.phase === 'tombstone' && !force)
      return done(now, refusal('refused', `${id} is ending already`, 'Undelete it first, or move it by force.'))
    const hopeless = task && this.#of.placement.hopeless(now, { id, task: task.value, labels: task.labels, to })
    if (hopeless !== undefined) return done(now, refusal('refused', hopeless, 'Name a node or a site that can take it.'))
    const holder = grant && isGranted(grant.phase) ? grant.node : null
    if (holder !== null && holder === to) return done(now, refusal('refused', `${id} is at ${to} already`, 'Name another node.'))
    const choice = this.#of.placement.choose(now, parts, { to, not: holder })
    if (typeof choice === 'string' && (force || holder !== null))
      return done(now, refusal('refused', choice, 'Try again when there is room.'))
    if (force && typeof choice !== 'string' && holder !== null && grant) {
      const reason = `moved by force from ${holder}`
      return this.#allocator.grant(now, parts, choice, grant.token, reason, (at, ok) => this.#granted(at, id, ok, done))
    }
    const change: Partial<Grant> =
      holder === null
        ? { to, reason: 'moved' }
        : ({ phase: 'tombstone', goal: 'move', to, reason: `${holder} is asked to end it here` } as const)
    this.#allocator.say(now, parts, change, (at) => this.#done(at, id, done))
  }

  #granted(now: Instant, id: string, ok: boolean, done: Done): void {
    if (ok) return this.#done(now, id, done)
    done(now, refusal('conflict', `${id} could not be granted: its engine did not agree, or does not answer`, 'Try again.'))
  }

  #done(now: Instant, id: string, done: Done): void {
    const task = this.#of.index.get(id)
    done(now, task ? { ok: true, task, created: false } : notFound(id))
  }
}

function notFound(id: string): Refusal {
  return refusal('not-found', `there is no task ${id}`, 'See `causeway task list`.')
}

function ended(id: string, phase: TaskPhase, reason: string): Refusal {
  return refusal('refused', `${id} is ${phase} (${reason}): nothing can be done with it any more`, 'Submit it again.')
}
