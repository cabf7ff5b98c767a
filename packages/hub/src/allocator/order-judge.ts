/**
 * Orders of controllers, judged: what may be done with a task in its phase, and by which step. An illegal one is refused with
 * the reason, and changes nothing.
 *
 *  1. A submission is known by its id: however often and wherever it arrives, it makes one task.
 *  2. The same order of the same node is answered as it was the first time.
 *  3. What would come of an order is found by the same judgement, and changes nothing.
 */
import {
  type Instant,
  type Refusal,
  TASK_COLLECTIONS,
  type TaskOrder,
  type TaskOutcome,
  type TaskPhase,
  type TaskRecord,
  type TaskView,
  type TaskWhyView,
  after,
} from '@causeway/protocol'
import {
  type Authority,
  type Orderer,
  TaskParts,
  changeRefusal,
  orderFault,
  placeRefusal,
  refusal,
  siteWanted,
  submissionRefusal,
  updateFault,
  updateTask,
} from '@causeway/node'
import type { Allocator } from './allocator.ts'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import { type Grant, isGranted } from './ledger.ts'

/** Answers that are remembered, of each node. */
const REMEMBERED_MAX = 256
const RETRY_MS = 2_000
/** A hub that won the right to create a task, and is in reach, has told of it within this, or died before. */
const CONTESTED_MS = 60_000

type Done = (now: Instant, result: TaskOutcome) => void
type Submission = Extract<TaskOrder, { type: 'submit' }>
/** What an order comes to: a change that is written down; a grant to another, over the one with that token; or nothing. */
type Step =
  | { readonly change: Partial<Grant> }
  | { readonly to: { readonly node: string; readonly site: string }; readonly over: number; readonly reason: string }
  | { readonly nothing: true }

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
  order(...[now, by, number, order, done]: Parameters<Authority['order']>): void {
    let answers = this.#answers.get(by.name)
    if (!answers) this.#answers.set(by.name, (answers = new Map()))
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
    this.#judge(now, order, by, (at, result) => {
      // What was refused may be right the next time; it changed nothing.
      if (result.ok) answers.set(number, result)
      else answers.delete(number)
      for (const each of waiting) each(at, result)
    })
  }

  explain(...[now, by, about]: Parameters<Authority['explain']>): TaskWhyView | Refusal {
    const { placement, index } = this.#of
    if (typeof about === 'object') return about.type === 'submit' ? this.#trySubmit(now, about, by) : this.#try(now, about, by)
    const parts = index.find(about)
    const task = parts?.view()
    return parts && task ? { task, candidates: placement.explain(now, parts) } : notFound(about)
  }

  /** A node has written down a submission while it could not reach us. */
  requested(now: Instant, parts: TaskParts): void {
    const { request, id, site } = parts
    const what = `${site}/${id}`
    if (!request || this.#requests.has(what)) return
    const { submission } = request.value
    const by = this.#of.credentialOf(TASK_COLLECTIONS.requests, site, request.writer)
    this.#requests.add(what)
    const finish = (at: Instant, result: TaskOutcome): void => {
      this.#requests.delete(what)
      const present = this.#of.index.parts(id, site)
      if (result.ok && present) this.#of.ledger.settleRequest(at, present, `the task is at ${result.task.site}`)
      else if (!result.ok && result.code === 'refused' && present) this.#of.ledger.settleRequest(at, present, `refused: ${result.message}`)
      // It was promised: it is tried until it is done.
      else if (!result.ok) this.#allocator.look(id, after(at, RETRY_MS))
    }
    if (by) return this.#submit(now, { type: 'submit', ...submission, id }, by, true, finish)
    finish(now, refusal('refused', `${request.writer}, who submitted it, is retired`, 'Submit it again.'))
  }

  #judge(now: Instant, order: TaskOrder, by: Orderer, done: Done): void {
    if (order.type === 'submit') return this.#submit(now, order, by, false, done)
    const found = this.#found(order, by)
    if ('ok' in found) return done(now, found)
    if (order.type === 'update') return updateTask(now, this.#of, order, done)
    const step = this.#step(now, found, order)
    if ('ok' in step) return done(now, step)
    const { id } = order
    const answer = (at: Instant): void => this.#done(at, id, done)
    if ('to' in step) return this.#allocator.grant(now, found, step.to, step.over, step.reason, (at, ok) => this.#granted(at, id, ok, done))
    if ('change' in step) return this.#allocator.say(now, found, step.change, answer)
    answer(now)
  }

  /** The task, if it is there and may be changed by whoever orders it. */
  #found(order: Exclude<TaskOrder, Submission>, by: Orderer): TaskParts | Refusal {
    const { id } = order
    const fault = orderFault(order)
    if (fault) return fault
    const parts = this.#of.index.find(id)
    const task = parts?.view()
    if (!parts?.task || !task || task.phase === 'gone') return task ? ended(id, task.phase, task.reason) : notFound(id)
    const refused = changeRefusal(by, parts)
    if (refused) return refused
    if (order.type === 'update') return updateFault(parts, order) ?? parts
    if (this.#allocator.isBusy(id)) return refusal('conflict', `${id} is being granted just now`, 'Try again in a moment.')
    if (task.phase === 'deleting') return ended(id, task.phase, task.reason)
    if (order.type !== 'move' || order.to === undefined) return parts
    const site = this.#of.placement.pool.siteOf(order.to) ?? order.to
    return placeRefusal(by, site) ?? parts
  }

  /** What would come of it. */
  #try(now: Instant, order: Exclude<TaskOrder, Submission>, by: Orderer): TaskWhyView | Refusal {
    const found = this.#found(order, by)
    if ('ok' in found) return found
    const task = found.view() as TaskView
    if (order.type === 'update') {
      const { spec = task.spec, labels = task.labels } = order
      return { task: { ...task, spec, labels, generation: task.generation + 1 }, candidates: [] }
    }
    const step = this.#step(now, found, order)
    if ('ok' in step) return step
    const conditions = { to: order.type === 'move' ? (order.to ?? null) : null, not: task.node }
    const candidates = order.type === 'move' ? this.#of.placement.candidates(now, found, conditions) : []
    if ('to' in step) return { task: { ...task, ...step.to, phase: 'allocated', reason: step.reason }, candidates }
    const { phase = task.phase, reason = task.reason } = 'change' in step ? step.change : {}
    return { task: { ...task, phase, reason }, candidates }
  }

  // ---- submit

  #submit(now: Instant, order: Submission, by: Orderer, wasPromised: boolean, done: Done): void {
    const { id = '' } = order
    const fault = orderFault(order) ?? submissionRefusal(order, by)
    if (fault) return done(now, fault)
    const known = this.#known(id)
    if (known) return done(now, { ok: true, task: known, created: false })
    const waiting = this.#creating.get(id)
    if (waiting) {
      waiting.push(done)
      return
    }
    const task = this.#recordOf(now, order)
    const labels = order.labels ?? {}
    const hopeless = wasPromised ? undefined : this.#hopeless(now, id, task, labels)
    if (hopeless) return done(now, hopeless)
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
      if (token !== undefined) return this.#create(at, { id, task, labels, token, from: by.name }, finish)
      if (answer.ok === null) return finish(at, refusal('unreachable', `the engine does not answer: ${answer.error}`, 'Try again.'))
      const [other] = answer.leases
      if (!other) this.#contested.delete(id)
      else if (this.#contested.get(id)?.token !== other.token)
        this.#contested.set(id, { token: other.token, holder: other.holder, since: at })
      finish(at, refusal('conflict', `${id} is being created by ${other?.holder ?? 'another hub'}`, 'Read it again in a moment.'))
    })
  }

  #known(id: string): TaskView | undefined {
    const parts = this.#of.index.find(id)
    const view = parts?.view()
    return parts?.task && view?.phase !== 'gone' ? view : undefined
  }

  #hopeless(now: Instant, id: string, task: TaskRecord, labels: TaskView['labels'], to: string | null = null): Refusal | undefined {
    const reason = this.#of.placement.hopeless(now, { id, task, labels, to })
    const remedy = to === null ? 'Start a worker that takes it, or ask for less.' : 'Name a node or a site that can take it.'
    return reason === undefined ? undefined : refusal('refused', reason, remedy)
  }

  #trySubmit(now: Instant, order: Submission, by: Orderer): TaskWhyView | Refusal {
    const { id = '', labels = {} } = order
    const fault = orderFault(order) ?? submissionRefusal(order, by)
    if (fault) return fault
    const known = this.#known(id)
    if (known) return this.explain(now, by, id)
    const value = this.#recordOf(now, order)
    const hopeless = this.#hopeless(now, id, value, labels)
    if (hopeless) return hopeless
    const parts = draftOf(id, siteWanted(order, by), value, labels)
    const { placement } = this.#of
    const conditions = { to: null, not: null }
    const choice = placement.choose(now, parts, conditions)
    const place = choice ? { ...choice, reason: `would be placed at ${choice.site}` } : { reason: placement.whyNot(now, parts, conditions) }
    return { task: { ...(parts.view() as TaskView), ...place }, candidates: placement.candidates(now, parts, conditions) }
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
    this.#allocator.first(now, draftOf(id, site, task, labels), { token, reason: `submitted at ${from}` }, (won, grant, place, written) => {
      this.#of.ledger.create(won, { id, site: place, task, labels }, grant, (at, ok) => {
        const view = this.#of.index.get(id)
        written(at, ok)
        // Others that do not see it yet must not create it again: of a shared engine the right to do so runs out by itself.
        if (!this.#of.engine.isShared) this.#of.engine.call(at, { op: 'release', task: `create/${id}`, token }, () => {})
        if (ok && view) finish(at, { ok: true, task: view, created: true })
        else finish(at, refusal('unreachable', `${id} could not be written down`, 'See the log of the hub that grants tasks.'))
      })
    })
  }

  #recordOf(now: Instant, order: Submission): TaskRecord {
    const { spec, policy = 'sticky', convergeKey = null, needs = {}, nodes = '', site = null, near = null } = order
    const createdAt = this.#of.host.wallMs(now)
    return {
      desired: { spec: spec ?? null, generation: 1 },
      policy,
      convergeKey,
      needs,
      nodes,
      site,
      near: near ?? site,
      createdAt,
      token: 0,
    }
  }

  // ---- the others

  /** What follows from an order; a refusal changes nothing. */
  #step(now: Instant, parts: TaskParts, order: Exclude<TaskOrder, { type: 'submit' | 'update' }>): Step | Refusal {
    if (order.type === 'move') return this.#move(now, parts, order)
    return order.type === 'stop' ? stop(parts) : undelete(parts)
  }

  #move(now: Instant, parts: TaskParts, order: Extract<TaskOrder, { type: 'move' }>): Step | Refusal {
    const { grant, id, task } = parts
    const { to = null, force = false }: { readonly to?: string | null; readonly force?: boolean } = order
    if (grant?.phase === 'tombstone' && !force)
      return refusal('refused', `${id} is ending already`, 'Undelete it first, or move it by force.')
    const hopeless = task && this.#hopeless(now, id, task.value, task.labels, to)
    if (hopeless) return hopeless
    const holder = grant && isGranted(grant.phase) ? grant.node : null
    if (holder !== null && holder === to) return refusal('refused', `${id} is at ${to} already`, 'Name another node.')
    const { placement } = this.#of
    const conditions = { to, not: holder }
    const choice = placement.choose(now, parts, conditions)
    if (!choice && (force || holder !== null))
      return refusal('refused', placement.whyNot(now, parts, conditions), 'Try again when there is room.')
    if (force && choice && holder !== null && grant) return { to: choice, over: grant.token, reason: `moved by force from ${holder}` }
    if (holder === null) return { change: { to, reason: 'moved' } }
    return { change: { phase: 'tombstone', goal: 'move', to, reason: `${holder} is asked to end it here` } }
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

function stop({ grant }: TaskParts): Step {
  const granted = grant !== undefined && isGranted(grant.phase)
  if (grant?.phase === 'tombstone' && grant.goal === 'stop') return { nothing: true }
  const reason = granted ? `stopping: ${grant.node ?? 'its node'} is asked to end it` : 'stopped before it ran'
  return { change: { phase: granted ? 'tombstone' : 'deleting', goal: granted ? 'stop' : null, reason } }
}

function undelete({ grant, id, site }: TaskParts): Step | Refusal {
  if (grant?.phase === 'tombstone' && grant.node !== null) return { to: { node: grant.node, site }, over: grant.token, reason: 'undeleted' }
  const message = `${id} is ${grant?.phase ?? 'initialised'}: only a task that is being stopped can be undeleted`
  return refusal('refused', message, 'Submit it again if it has ended.')
}

/** A task that is not written down. */
function draftOf(id: string, site: string, value: TaskRecord, labels: TaskView['labels']): TaskParts {
  const parts = new TaskParts(id, site)
  parts.task = { value, labels, asOf: value.createdAt, revision: '' }
  return parts
}

function notFound(id: string): Refusal {
  return refusal('not-found', `there is no task ${id}`, 'See `causeway task list`.')
}

function ended(id: string, phase: TaskPhase, reason: string): Refusal {
  return refusal('refused', `${id} is ${phase} (${reason}): nothing can be done with it any more`, 'Submit it again.')
}
