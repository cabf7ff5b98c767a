/**
 * Tasks: what should run once, somewhere in the fleet. Controllers submit them; a worker beside a node runs what that node
 * is granted. Reads show what this node knows; orders are the allocator's to grant, wherever it is.
 */
import {
  type CausewayError,
  type RecordValue,
  type RecordView,
  type SubmittedTask,
  type TaskOrder,
  type TaskPageView,
  type TaskPhase,
  type TaskSubmission,
  type TaskView,
  type TaskWatchEvent,
  type TaskWhyView,
  type WatchEvent,
} from '@causeway/protocol'
import type { TaskHandler } from './task-run.ts'
import type { Call, Transport } from './transport.ts'
import { watchStream } from './watch-stream.ts'
import { Worker, type WorkOptions } from './worker.ts'

export interface TaskFilter {
  /** Label conditions, such as `kind=record,zone in (a,b)`. */
  readonly selector?: string | undefined
  readonly site?: string | undefined
  readonly phase?: TaskPhase | undefined
}

export interface TaskListOptions extends TaskFilter {
  /** A page of at most so many; without it all are fetched, page by page. */
  readonly limit?: number | undefined
  /** `continue` of the page before. */
  readonly continue?: string | undefined
}

export interface TaskWatchOptions extends TaskFilter {
  /**
   * Whether to go on after a lost connection; else that is an error.
   * @default true
   */
  readonly resume?: boolean | undefined
  readonly onInterrupted?: ((fault: CausewayError) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TaskUpdate {
  /** Instead of the one before. */
  readonly spec?: RecordValue
  /** Instead of all before. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Only if this is its generation; else `conflict`. */
  readonly generation?: number | undefined
}

export interface TaskMove {
  /** A node or a site. @default wherever there is room */
  readonly to?: string | undefined
  /** Also if the present holder may still run it. */
  readonly force?: boolean | undefined
}

/** Orders throw `refused`, `conflict`, `not-found`, or `unreachable` if the allocator does not answer. */
export interface Tasks {
  /** Phase `pending`: the allocator is not reached now; the node keeps the task until it is. */
  submit(task: TaskSubmission): Promise<SubmittedTask>
  /** `undefined` if there is none. */
  get(id: string, site?: string): Promise<TaskView | undefined>
  /** By site and id. */
  list(options?: TaskListOptions): Promise<TaskPageView>
  /** What is there, a bookmark, then changes. Goes on by itself when the daemon comes back, and tells what is different. */
  watch(options?: TaskWatchOptions): AsyncGenerator<TaskWatchEvent, void, undefined>
  update(id: string, change: TaskUpdate): Promise<TaskView>
  stop(id: string): Promise<TaskView>
  /** Takes a stop back, as long as the task is not gone. */
  undelete(id: string): Promise<TaskView>
  move(id: string, move?: TaskMove): Promise<TaskView>
  /** What would come of an order, which is not given: how the task would look, and which nodes could have it. */
  dryRun(order: TaskOrder): Promise<TaskWhyView>
  /** Why the task is where it is, or nowhere. */
  why(id: string): Promise<TaskWhyView>
  /**
   * Runs tasks with these labels until `options.signal` is aborted. A handler that resolves has done its task; one that
   * throws has failed, and the task is tried again. It must end when its signal is aborted.
   *
   * @example
   * await causeway.tasks.work<{ channel: string }>('kind=record', async (task, { signal, progress, token }) => {
   *   await record(task.spec.channel, { signal, token, onShare: progress })
   * })
   */
  work<Spec = RecordValue>(selector: string, handler: TaskHandler<Spec>, options?: WorkOptions): Promise<void>
}

export function openTasks(transport: Transport): Tasks {
  const order = <Result>(given: TaskOrder): Promise<Result> => transport.json(callOf(given))
  return {
    submit: (task) => order({ type: 'submit', ...task }),
    get: (id, site) => getTask(transport, id, site),
    list: (options = {}) => listTasks(transport, options),
    watch: (options = {}) => watchTasks(transport, options),
    update: (id, change) => order({ type: 'update', id, ...change } as TaskOrder),
    stop: (id) => order({ type: 'stop', id }),
    undelete: (id) => order({ type: 'undelete', id }),
    move: (id, move = {}) => order({ type: 'move', id, ...move } as TaskOrder),
    dryRun: (given) => transport.json({ ...callOf(given), query: { dryRun: true } }),
    why: (id) => transport.json({ method: 'GET', path: ['tasks', id, 'why'] }),
    work: (selector, handler, options = {}) => new Worker(transport, selector, handler, options).run(),
  }
}

function callOf(order: TaskOrder): Call {
  if (order.type === 'submit') {
    const { type: _, ...body } = order
    return { method: 'POST', path: ['tasks'], body }
  }
  const { type, id, ...body } = order
  if (type === 'update') return { method: 'PATCH', path: ['tasks', id], body }
  if (type === 'stop') return { method: 'DELETE', path: ['tasks', id] }
  return { method: 'POST', path: ['tasks', id, type], ...(type === 'move' && { body }) }
}

async function getTask(transport: Transport, id: string, site: string | undefined): Promise<TaskView | undefined> {
  try {
    return await transport.json({ method: 'GET', path: ['tasks', id], query: { site } })
  } catch (error) {
    if ((error as { code?: unknown }).code === 'not-found') return undefined
    throw error
  }
}

async function listTasks(transport: Transport, options: TaskListOptions): Promise<TaskPageView> {
  const { selector, site, phase, limit } = options
  const items: TaskView[] = []
  let first: TaskPageView | undefined
  for (let next = options.continue; ;) {
    const query = { selector, site, phase, limit, continue: next }
    const page = await transport.json<TaskPageView>({ method: 'GET', path: ['tasks'], query })
    items.push(...page.items)
    first ??= page
    next = page.continue
    if (next === undefined || limit !== undefined) return { ...page, token: first.token, items }
  }
}

/** Tasks as records, so that one resumption serves both: a task that looks the same has the same revision. */
async function* watchTasks(transport: Transport, options: TaskWatchOptions): AsyncGenerator<TaskWatchEvent, void, undefined> {
  const { selector, site, phase, signal } = options
  async function* open(since: string | undefined): AsyncGenerator<WatchEvent, void, undefined> {
    const query = { selector, site, phase, since, watch: true }
    for await (const event of transport.lines<TaskWatchEvent>({ method: 'GET', path: ['tasks'], query, signal })) {
      if ('task' in event) yield { type: event.type, record: recordOf(event.task) }
      else yield event
    }
  }
  for await (const event of watchStream(open, options)) {
    if (event.type === 'BOOKMARK') yield event
    else if ('record' in event) yield { type: event.type, task: event.record.value as TaskView }
  }
}

function recordOf(task: TaskView): RecordView {
  const { id, site, labels, node, updatedAt } = task
  return { key: id, partition: site, value: task, labels, revision: JSON.stringify(task), writer: node ?? '', asOf: updatedAt }
}
