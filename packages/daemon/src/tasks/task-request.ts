/**
 * What a request for tasks asks, read from path, query and body. What is not understood is refused, never skipped; what
 * it may be long is bounded here, before it reaches the machine.
 */
import type { Context } from 'hono'
import { z } from 'zod'
import {
  CausewayError,
  LIMITS,
  NAME_PATTERN,
  TASK_ID_PATTERN,
  TASK_PHASES,
  type TaskOrder,
  type TaskSubmission,
  VITAL_NAME_PATTERN,
  type WorkReports,
} from '@causeway/protocol'
import { parseSelector } from '@causeway/state'
import type { WorkOffer } from './task-backend.ts'

/** Tasks of one page, unless fewer are asked for: some megabytes of JSON. */
const PAGE_TASKS_MAX = 10_000
const PAGE_TASKS = 1_000
/** Leaves room in a record for all else that is kept of a task. */
const SPEC_BYTES_MAX = LIMITS.recordBytesMax / 2
/** Repeated often and replicated: what is larger belongs elsewhere. */
const STATUS_BYTES_MAX = 16 * 1024
const SLOTS_MAX = 5_000
const REPORTS_MAX = 1_000
const SELECTOR_CHARACTERS_MAX = 1_000

const id = z.string().regex(TASK_ID_PATTERN, { error: 'expected 1 to 63 letters, digits, dots, dashes or underscores' })
const name = z.string().regex(NAME_PATTERN, { error: 'expected a name in lower case, digits, dots and dashes' })
const labels = z
  .record(z.string().min(1).max(128), z.string().max(256))
  .refine((given) => Object.keys(given).length <= 64, { error: 'expected at most 64 labels' })
const amounts = z
  .record(z.string().regex(VITAL_NAME_PATTERN), z.number().nonnegative().max(Number.MAX_SAFE_INTEGER))
  .refine((given) => Object.keys(given).length <= 16, { error: 'expected at most 16 amounts' })
const selector = z.string().max(SELECTOR_CHARACTERS_MAX)
const token = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

function json(bytesMax: number): z.ZodType<unknown> {
  const fits = (value: unknown): boolean => Buffer.byteLength(JSON.stringify(value ?? null)) <= bytesMax
  return z.unknown().refine(fits, { error: `expected at most ${bytesMax} bytes of JSON` })
}

const submission = z.strictObject({
  id: id.optional(),
  spec: json(SPEC_BYTES_MAX),
  labels: labels.optional(),
  policy: z.enum(['at-most-one', 'sticky', 'at-least-one']).optional(),
  convergeKey: z.string().min(1).max(256).optional(),
  site: name.optional(),
  near: name.optional(),
  needs: amounts.optional(),
  nodes: selector.optional(),
})

const update = z.strictObject({
  spec: json(SPEC_BYTES_MAX).optional(),
  labels: labels.optional(),
  generation: z.number().int().positive().optional(),
})

const move = z.strictObject({ to: name.optional(), force: z.boolean().optional() })

const grants = z.array(z.strictObject({ id, token })).max(SLOTS_MAX)
const offer = z.strictObject({
  selector: selector.default(''),
  slots: z.number().int().min(1).max(SLOTS_MAX).default(1),
  capacity: amounts.default({}),
  running: grants.default([]),
})

const condition = z.strictObject({
  type: z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/),
  status: z.boolean(),
  reason: z.string().max(1_024),
})
const report = z.strictObject({
  id,
  token,
  state: z.enum(['running', 'stopped', 'done', 'failed']).optional(),
  observedGeneration: z.number().int().nonnegative().optional(),
  progress: z.number().min(0).max(1).optional(),
  status: json(STATUS_BYTES_MAX).optional(),
  conditions: z.array(condition).max(16).optional(),
})
const reports = z.strictObject({ reports: z.array(report).max(REPORTS_MAX), holding: grants })

/** For the document of the API. */
export const taskBodies: Readonly<Record<'submission' | 'update' | 'move' | 'offer' | 'reports', z.ZodType>> = {
  submission,
  update,
  move,
  offer,
  reports,
}

export interface TaskQuery {
  readonly site?: string
  readonly selector?: string
  readonly phase?: string
}

/** The body of a POST of a task. */
export function submissionOf(body: unknown): TaskSubmission {
  const given = parse(submission, body, 'task')
  if (!isObject(body) || !('spec' in body)) throw usage('the task has no spec', 'give one, which may be null: what the worker is to do')
  if (given.site !== undefined && given.near !== undefined)
    throw usage('site and near contradict each other', 'give site: only there; or near: there, or as near as there is room')
  if (given.id !== undefined && given.convergeKey !== undefined)
    throw usage('id and convergeKey contradict each other', 'give one of them: the id of a task with a converge key follows from the key')
  if (given.nodes !== undefined) parseSelector(given.nodes)
  return given as TaskSubmission
}

export function updateOf(taskId: string, body: unknown): TaskOrder {
  const given = parse(update, body, 'update')
  if (!isObject(body) || !('spec' in body || 'labels' in body))
    throw usage('the update changes nothing', 'give spec, labels or both; each replaces what was there')
  return { type: 'update', id: idOf(taskId), ...given } as TaskOrder
}

export function moveOf(taskId: string, body: unknown): TaskOrder {
  return { type: 'move', id: idOf(taskId), ...parse(move, body ?? {}, 'move') } as TaskOrder
}

export function reportsOf(body: unknown): WorkReports {
  return parse(reports, body, 'report') as WorkReports
}

export function idOf(text: string): string {
  return parse(id, text, 'id')
}

/** The body of a POST of a worker. */
export function offerOf(body: unknown): WorkOffer {
  const given = parse(offer, body, 'offer')
  parseSelector(given.selector)
  return given
}

/** Which tasks, from `selector=`, `site=` and `phase=`. */
export function taskQueryOf(context: Context): TaskQuery {
  const { selector: chosen, site, phase } = context.req.query()
  if (chosen !== undefined) checkSelector(chosen)
  if (site !== undefined) parse(name, site, 'site')
  if (phase !== undefined && !(TASK_PHASES as readonly string[]).includes(phase))
    throw usage(`there is no phase ${phase}`, `use one of ${TASK_PHASES.join(', ')}`)
  return { ...(chosen !== undefined && { selector: chosen }), ...(site !== undefined && { site }), ...(phase !== undefined && { phase }) }
}

/** How much of it, from `limit=` and `continue=`. */
export function pageOf(context: Context): { readonly limit: number; readonly after?: string } {
  const { limit = String(PAGE_TASKS), continue: place } = context.req.query()
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw usage(`limit=${limit} is not a number above 0`, `ask for 1 to ${PAGE_TASKS_MAX}`)
  const after = place === undefined ? undefined : Buffer.from(place, 'base64url').toString()
  return { limit: Math.min(Number(limit), PAGE_TASKS_MAX), ...(after !== undefined && { after }) }
}

function checkSelector(text: string): void {
  if (text.length > SELECTOR_CHARACTERS_MAX) throw usage('the selector is too long', `use at most ${SELECTOR_CHARACTERS_MAX} characters`)
  parseSelector(text)
}

function parse<Output>(schema: z.ZodType<Output>, value: unknown, what: string): Output {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  const where = issue?.path.join('.')
  throw usage(`the ${what} is not understood: ${where ? `${where}: ` : ''}${issue?.message ?? 'invalid'}`, 'correct it; nothing was done')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function usage(message: string, remedy: string): CausewayError {
  return new CausewayError('usage', message, remedy)
}
