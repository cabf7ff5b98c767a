/**
 * `/v1/work`: where a local program runs tasks.
 *
 *     POST /                   `WorkRequest`; NDJSON (`WorkLine`): its name, then what it is given, changed, taken
 *     POST /:worker/reports    `WorkReports`: what it tells of its tasks, and asks; `WorkAnswer`
 *
 *  1. The worker is as long as its stream: the end of that is the end of all that it ran.
 *  2. Unless this node is what ends: then nothing is said of the worker, which goes on as its leases allow, and comes back.
 *  3. A worker is answered for a task only if it was given it, or somebody else visibly has it.
 */
import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import {
  CausewayError,
  type HeldTask,
  type TaskGrant,
  type TaskToken,
  type TaskView,
  type WorkAnswer,
  type WorkLine,
} from '@causeway/protocol'
import { bodyOf, checkQuery, param } from '../kv-request.ts'
import { NdjsonStream } from '../ndjson-stream.ts'
import type { TaskBackend, WorkEffect, WorkOffer } from './task-backend.ts'
import { offerOf, reportsOf } from './task-request.ts'

const WORKERS_MAX = 256

export class WorkDesk {
  readonly #tasks: TaskBackend
  readonly #workers = new Map<string, Worker>()
  #closing = false

  constructor(tasks: TaskBackend) {
    this.#tasks = tasks
  }

  routes(): Hono {
    const routes = new Hono()
    routes.post('/', async (context) => this.#work(context))
    routes.post('/:worker/reports', async (context) => this.#reports(context))
    return routes
  }

  /** This node stops: streams that end from now on say nothing of their workers. */
  close(): void {
    this.#closing = true
  }

  async #work(context: Context): Promise<Response> {
    checkQuery(context, [])
    const offer = offerOf(await bodyOf(context))
    if (this.#workers.size >= WORKERS_MAX)
      throw new CausewayError('refused', `${WORKERS_MAX} programs run tasks here already`, 'let one program run more at once')
    const name = randomUUID()
    const stream = new NdjsonStream(() => {
      this.#workers.delete(name)
      if (!this.#closing) worker.end()
    })
    const tell = (line: WorkLine): void => stream.write(line)
    stream.begin([{ type: 'ready', worker: name } satisfies WorkLine])
    const worker = new Worker(this.#tasks, offer, tell)
    this.#workers.set(name, worker)
    return stream.response()
  }

  async #reports(context: Context): Promise<Response> {
    checkQuery(context, [])
    const { reports, holding } = reportsOf(await bodyOf(context))
    const worker = this.#workers.get(param(context, 'worker'))
    if (!worker) throw new CausewayError('gone', 'there is no such worker here (any more)', 'open its stream anew')
    for (const { id, token, ...report } of reports) this.#tasks.report(worker.number, id, token, report)
    const held = holding.flatMap((grant) => worker.held(grant) ?? [])
    return context.json({ held } satisfies WorkAnswer)
  }
}

/** One program, and what it was given. */
class Worker {
  readonly number: number
  readonly #tasks: TaskBackend
  readonly #given = new Map<string, TaskToken>()

  constructor(tasks: TaskBackend, offer: WorkOffer, tell: (line: WorkLine) => void) {
    this.#tasks = tasks
    this.number = tasks.work(offer, (effect) => tell(this.#line(effect)))
  }

  end(): void {
    this.#tasks.endWork(this.number)
  }

  held({ id, token }: TaskGrant): HeldTask | undefined {
    const given = this.#given.get(id)
    if (given !== undefined && given >= token) {
      const forMs = this.#tasks.heldForMs(id, given)
      return forMs === undefined ? undefined : { id, token, forMs, reason: forMs === 0 ? 'the lease has run out' : '' }
    }
    const task = this.#tasks.reader.get(id)
    const lost = task && whyLost(task, token, this.#tasks.node)
    return lost === undefined ? undefined : { id, token, forMs: 0, reason: lost }
  }

  #line(effect: WorkEffect): WorkLine {
    if (effect.type === 'taskTaken') {
      this.#given.delete(effect.id)
      return { type: 'taken', id: effect.id, token: effect.token, reason: effect.reason }
    }
    this.#given.set(effect.task.id, effect.task.token)
    return { type: effect.type === 'taskGiven' ? 'given' : 'changed', task: effect.task }
  }
}

/** Why nobody may run the task under that token at this node; `undefined` if somebody may. */
function whyLost(task: TaskView, token: TaskToken, node: string): string | undefined {
  if (task.phase === 'deleting' || task.phase === 'gone') return `the task is ${task.phase}: ${task.reason}`
  if (task.token > token) return `it has been granted anew since, to ${task.node ?? 'nobody'} (token ${task.token})`
  return task.token === token && task.node !== null && task.node !== node ? `it is granted to ${task.node}` : undefined
}
