/**
 * Orders of local programs: to the allocator, wherever it is, and what can be done without it when it cannot be reached.
 *
 *  1. Every order is answered once, within 5 s.
 *  2. A submission has its id before it leaves: however often it arrives, it is one task. If nobody answers, it is written
 *     down as a request, which the allocator finds.
 *  3. An update of a task whose records are here is written here, cut off or not; everything else needs the allocator.
 */
import {
  Deadlines,
  type Instant,
  NAME_PATTERN,
  type Refusal,
  TASK_COLLECTIONS,
  TASK_ID_PATTERN,
  type TaskOrder,
  type TaskOutcome,
  type TaskQuestion,
  type TaskWhyView,
  after,
  encodeRecord,
  hex,
  taskOrderSchema,
} from '@causeway/protocol'
import { matchesInterest, parseSelector } from '@causeway/state'
import { submissionRefusal } from './order-rights.ts'
import { NO_ALLOCATOR, type TaskAuthority, type TaskHost, type Write } from './task-host.ts'
import type { TaskIndex } from './task-index.ts'
import { refusal, updateTask } from './task-update.ts'

const ANSWER_MS = 5_000
/** Nothing heard for so long: the next hub is asked the same. */
const RETRY_MS = 2_000

type Submission = Extract<TaskOrder, { type: 'submit' }>
type Update = Extract<TaskOrder, { type: 'update' }>
type Result = TaskOutcome | TaskWhyView

interface Waiting {
  readonly question: Extract<TaskQuestion, { type: 'order' | 'explain' }>
  readonly until: Instant
  readonly done: (now: Instant, result: Result) => void
}

export interface OrderWays {
  /** This node itself grants. */
  readonly authority: () => TaskAuthority | undefined
  /** Sends to the hub that grants; `another`: the one asked last does not answer. False if there is nobody to ask. */
  readonly ask: (now: Instant, question: TaskQuestion, another: boolean) => boolean
}

export class TaskOrders {
  readonly #host: TaskHost
  readonly #index: TaskIndex
  readonly #write: Write
  readonly #ways: OrderWays
  readonly #waiting = new Map<number, Waiting>()
  readonly #deadlines = new Deadlines<number>()
  #number: number

  constructor(host: TaskHost, index: TaskIndex, write: Write, ways: OrderWays) {
    this.#host = host
    this.#index = index
    this.#write = write
    this.#ways = ways
    // The allocator tells a repeated order from another one by its number: not those of an earlier life.
    this.#number = host.random.uint32()
  }

  order(now: Instant, order: TaskOrder, done: (now: Instant, result: TaskOutcome) => void): void {
    const fault = orderFault(order)
    if (fault) return done(now, fault)
    if (this.#host.place.engine === 'none') return done(now, NO_ALLOCATOR)
    const complete = order.type === 'submit' ? this.#completed(order) : order
    const refused = complete.type === 'submit' && submissionRefusal(complete, this.#host.credential)
    if (refused) return done(now, refused)
    if (complete.type === 'update' && this.#mayWrite(complete))
      return updateTask(now, { index: this.#index, write: this.#write }, complete, done)
    const number = ++this.#number
    const authority = this.#ways.authority()
    if (authority) return authority.order(now, this.#host.credential, number, complete, done)
    this.#ask(now, { type: 'order', number, order: complete }, done as Waiting['done'])
  }

  /** Of a task, by id; or what would come of an order. */
  explain(now: Instant, about: string | TaskOrder, done: (now: Instant, result: TaskWhyView | Refusal) => void): void {
    const fault = typeof about === 'string' ? idFault(about) : orderFault(about)
    if (fault) return done(now, fault)
    if (this.#host.place.engine === 'none') return done(now, NO_ALLOCATOR)
    const complete = typeof about === 'object' && about.type === 'submit' ? this.#completed(about) : about
    const authority = this.#ways.authority()
    if (authority) return done(now, authority.explain(now, this.#host.credential, complete))
    this.#ask(now, { type: 'explain', number: ++this.#number, about: complete }, done as Waiting['done'])
  }

  answered(now: Instant, number: number, result: Result): void {
    const waiting = this.#waiting.get(number)
    if (!waiting) return
    this.#forget(number)
    waiting.done(now, result)
  }

  /** The line to the hub that was asked has ended. */
  askAgain(now: Instant): void {
    for (const { question } of this.#waiting.values()) this.#ways.ask(now, question, true)
  }

  wake(now: Instant): void {
    for (const number of this.#deadlines.due(now)) {
      const waiting = this.#waiting.get(number)
      if (!waiting) continue
      if (now >= waiting.until) this.#giveUp(now, number, waiting)
      else {
        this.#ways.ask(now, waiting.question, true)
        this.#deadlines.set(number, waiting.until)
      }
    }
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  #ask(now: Instant, question: Waiting['question'], done: Waiting['done']): void {
    const waiting = { question, until: after(now, ANSWER_MS), done }
    this.#waiting.set(question.number, waiting)
    if (this.#host.cutOff() || !this.#ways.ask(now, question, false)) return this.#giveUp(now, question.number, waiting)
    this.#deadlines.set(question.number, after(now, RETRY_MS))
  }

  #forget(number: number): void {
    this.#waiting.delete(number)
    this.#deadlines.set(number, undefined)
  }

  /** Invariant 2. */
  #giveUp(now: Instant, number: number, { question, done }: Waiting): void {
    this.#forget(number)
    if (question.type === 'order' && question.order.type === 'submit') return this.#request(now, question.order, done)
    const remedy = 'Try again when a hub can be reached: only spec and labels can be changed without it.'
    done(now, refusal('unreachable', 'the allocator does not answer, and nobody knows whether it has heard', remedy))
  }

  #request(now: Instant, { type: _, ...submission }: Submission, done: Waiting['done']): void {
    const { id = '' } = submission
    const { site, name } = this.#host.credential
    const known = this.#index.find(id)?.view()
    if (known && known.phase !== 'gone') return done(now, { ok: true, task: known, created: false })
    const value = { submission, from: name, at: this.#host.wallMs(now) }
    const change = { key: id, operation: { type: 'put', value } } as const
    this.#write(now, { collection: TASK_COLLECTIONS.requests, partition: site, changes: [change] }, (at, result) => {
      const task = this.#index.get(id, site)
      if (result.ok && task) done(at, { ok: true, task, created: true })
      else done(at, result.ok ? refusal('conflict', `${id} was taken back meanwhile`, 'Submit it again.') : result)
    })
  }

  // ---- what needs no allocator

  #mayWrite({ id }: Update): boolean {
    const parts = this.#index.find(id)
    return (
      parts?.task !== undefined &&
      this.#host.credential.write.some((pattern) => matchesInterest(pattern, TASK_COLLECTIONS.tasks, parts.site))
    )
  }

  /** With id, and where to look for a place. */
  #completed(order: Submission): Submission {
    const { crypto, random, credential } = this.#host
    const id =
      order.id ??
      (order.convergeKey === undefined
        ? `t-${[0, 1, 2].map(() => random.uint32().toString(16).padStart(8, '0')).join('')}`
        : `k-${hex(crypto.hash(encodeRecord(['converge', order.convergeKey])).subarray(0, 12))}`)
    const near = order.near ?? order.site ?? (credential.role === 'edge' ? credential.site : undefined)
    return { ...order, id, ...(near !== undefined && { near }) }
  }
}

function idFault(id: string): Refusal | undefined {
  return TASK_ID_PATTERN.test(id) ? undefined : refusal('not-found', `${id.slice(0, 80)} is no id of a task`, 'List the tasks.')
}

/** What is wrong with an order, whoever gives it. */
export function orderFault(order: TaskOrder): Refusal | undefined {
  const parsed = taskOrderSchema.safeParse(order)
  const issue = parsed.error?.issues[0]
  if (issue) return refusal('refused', `the order makes no sense: ${issue.path.join('.')} ${issue.message}`, 'See `causeway task --help`.')
  if (order.type !== 'submit') return undefined
  const { nodes, site, near, convergeKey, id } = order
  if (convergeKey !== undefined && id !== undefined && !id.startsWith('k-'))
    return refusal('refused', 'a task has an id or a converge key, not both', 'Leave one out: the id follows from the key.')
  for (const place of [site, near])
    if (place !== undefined && !NAME_PATTERN.test(place))
      return refusal('refused', `${place} is no name of a site`, 'See `causeway sites`.')
  try {
    parseSelector(nodes ?? '')
    return undefined
  } catch (error) {
    return refusal(
      'refused',
      error instanceof Error ? error.message : 'the selector of nodes is not understood',
      'Write terms like a=b, joined by commas.',
    )
  }
}
