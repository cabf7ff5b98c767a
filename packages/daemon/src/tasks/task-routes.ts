/**
 * `/v1/tasks`: tasks over HTTP. What is read is what this node knows; orders go to the allocator, whichever node it is.
 *
 *     POST   /                  submits (`TaskSubmission`): 201 made, 200 there already, 202 kept until the allocator is reached
 *     GET    /                  list: selector, site, phase, limit, continue
 *     GET    /?watch=true       NDJSON: what is there, a BOOKMARK, then changes: selector, site, phase, since
 *     GET    /:id               one task: site; if this node does not hold it, as the allocator knows it
 *     PATCH  /:id               {spec, labels, generation}: each replaces what was there
 *     DELETE /:id               stops it
 *     POST   /:id/undelete      takes the stop back
 *     POST   /:id/move          {to, force}
 *     GET    /:id/why           why it is where it is
 *
 * With dryRun=true an order is judged and not given: what the task would look like, and which nodes could have it (`TaskWhyView`).
 */
import { type Context, Hono } from 'hono'
import { CausewayError, type SubmittedTask, type TaskOrder, type TaskPageView, type TaskView } from '@causeway/protocol'
import { bodyOf, checkQuery, flagOf, param } from '../kv-request.ts'
import { NdjsonStream } from '../ndjson-stream.ts'
import { problemResponse } from '../problem.ts'
import type { Refusal, TaskBackend } from './task-backend.ts'
import { idOf, moveOf, pageOf, submissionOf, taskQueryOf, updateOf } from './task-request.ts'
import { TaskWatch } from './task-watch.ts'

/** Of refusals that HTTP tells otherwise than other faults with the same code. */
const REFUSAL_STATUS: Partial<Record<Refusal['code'], number>> = { unreachable: 503 }

export function taskRoutes(tasks: TaskBackend): Hono {
  const routes = new Hono()
  routes.post('/', async (context) => submit(tasks, context))
  routes.get('/', (context) => (flagOf(context, 'watch') ? watch(tasks, context) : list(tasks, context)))
  routes.get('/:id', async (context) => get(tasks, context))
  routes.patch('/:id', async (context) => order(tasks, context, updateOf(param(context, 'id'), await bodyOf(context))))
  routes.delete('/:id', (context) => order(tasks, context, { type: 'stop', id: idOf(param(context, 'id')) }))
  routes.post('/:id/undelete', (context) => order(tasks, context, { type: 'undelete', id: idOf(param(context, 'id')) }))
  routes.post('/:id/move', async (context) => {
    const empty = Number(context.req.header('content-length') ?? 0) === 0 && context.req.header('transfer-encoding') === undefined
    return order(tasks, context, moveOf(param(context, 'id'), empty ? {} : await bodyOf(context)))
  })
  routes.get('/:id/why', (context) => {
    checkQuery(context, [])
    return explain(tasks, context, idOf(param(context, 'id')))
  })
  return routes
}

async function submit(tasks: TaskBackend, context: Context): Promise<Response> {
  checkQuery(context, ['dryRun'])
  const wanted: TaskOrder = { type: 'submit', ...submissionOf(await bodyOf(context)) }
  if (flagOf(context, 'dryRun')) return explain(tasks, context, wanted)
  const outcome = await tasks.order(wanted)
  if (!outcome.ok) return refused(outcome)
  const task: SubmittedTask = { ...outcome.task, created: outcome.created }
  return context.json(task, task.phase === 'pending' ? 202 : outcome.created ? 201 : 200)
}

async function order(tasks: TaskBackend, context: Context, wanted: TaskOrder): Promise<Response> {
  checkQuery(context, ['dryRun'])
  if (flagOf(context, 'dryRun')) return explain(tasks, context, wanted)
  const outcome = await tasks.order(wanted)
  return outcome.ok ? context.json(outcome.task) : refused(outcome)
}

async function explain(tasks: TaskBackend, context: Context, about: string | TaskOrder): Promise<Response> {
  const why = await tasks.explain(about)
  return 'ok' in why ? refused(why) : context.json(why)
}

/** As this node knows it; of a task elsewhere, as the allocator does. */
async function get(tasks: TaskBackend, context: Context): Promise<Response> {
  checkQuery(context, ['site'])
  const id = idOf(param(context, 'id'))
  const task = tasks.reader.get(id, context.req.query('site'))
  if (task) return context.json(task)
  const why = await tasks.explain(id)
  return 'ok' in why ? refused(why) : context.json(why.task)
}

function list(tasks: TaskBackend, context: Context): Response {
  checkQuery(context, ['watch', 'selector', 'site', 'phase', 'limit', 'continue'])
  const { limit, ...page } = pageOf(context)
  // One more than asked for tells whether there is another page.
  const found = tasks.reader.list({ ...taskQueryOf(context), ...page, limit: limit + 1 })
  const items = found.slice(0, limit)
  const last = found.length > limit ? items.at(-1) : undefined
  const view: TaskPageView = {
    items,
    token: tasks.token(),
    ...(last && { continue: placeOf(last) }),
    complete: tasks.complete(),
    cutOff: tasks.freshness().cutOff,
  }
  return context.json(view)
}

function watch(tasks: TaskBackend, context: Context): Response {
  checkQuery(context, ['watch', 'selector', 'site', 'phase', 'since'])
  const query = taskQueryOf(context)
  const stream = new NdjsonStream(() => watching.close())
  const watching = new TaskWatch(tasks, query, context.req.query('since'), (event) => stream.write(event))
  stream.begin(watching.initial())
  return stream.response()
}

function placeOf({ site, id }: TaskView): string {
  return Buffer.from(`${site}/${id}`).toString('base64url')
}

function refused({ code, message, remedy }: Refusal): Response {
  return problemResponse(new CausewayError(code, message, remedy), REFUSAL_STATUS[code])
}
