/**
 * What nodes and the allocator say to each other over channels of service `tasks`: one msgpack record a message. A node
 * asks, a hub answers; only `hint` comes unasked, and it is no more than its name says: the node acts on the answer to
 * its next `renew`, which came from the hub that it asked itself.
 *
 *  - `renew` says all that the node holds, so that one answer settles everything, and a lost one nothing but time.
 *    A lease counts from the *sending* of the `renew` whose answer says that it is held.
 *  - `number` pairs an answer with its question; a node never uses one twice within a life.
 */
import { z } from 'zod'
import { decodeRecord, encodeRecord } from './codec.ts'
import { NAME_PATTERN } from './node-id.ts'
import type { TaskOrder, TaskOutcome, TaskPhase, TaskToken, TaskView, TaskWhyView } from './task.ts'
import { TASK_ID_PATTERN, taskSubmissionSchema } from './task-record.ts'
import { TASK_PHASES } from './task.ts'
import type { RecordValue } from './api.ts'
import { type StrictOutcome, type StrictWrite, strictOutcomeSchema, strictWriteSchema } from './strict-write.ts'

export const TASK_SERVICE = 'tasks'
/** Leases in one message; a node that holds more says more messages. */
export const RENEW_LEASES_MAX = 5_000

/** `task` is an id. */
export interface LeaseClaim {
  readonly task: string
  readonly token: TaskToken
}

/** The node no longer has it: why, and how it ended. `refused`: it could not take it. */
export interface LeaseEnd extends LeaseClaim {
  readonly how: 'stopped' | 'done' | 'failed' | 'refused' | 'lost'
  readonly reason: string
}

/** `was` is what the node claimed; `token`, what it has now: higher if it was granted anew to the same node. */
export interface LeaseHeld {
  readonly task: string
  readonly was: TaskToken
  readonly token: TaskToken
  readonly phase: TaskPhase
}

export interface LeaseLost {
  readonly task: string
  readonly was: TaskToken
  readonly reason: string
}

export type TaskQuestion =
  | { readonly type: 'order'; readonly number: number; readonly order: TaskOrder }
  /** Why that task is where it is; or what would come of that order if it were given. */
  | { readonly type: 'explain'; readonly number: number; readonly about: string | TaskOrder }
  | {
      readonly type: 'renew'
      readonly number: number
      readonly leases: readonly LeaseClaim[]
      readonly ended: readonly LeaseEnd[]
      /** Of these it knows nothing but the id. */
      readonly wanted: readonly string[]
    }
  /** Of records: said once. Who hears no answer does not know whether it was made. */
  | { readonly type: 'write'; readonly number: number; readonly write: StrictWrite }

export type Refusal = Extract<TaskOutcome, { ok: false }>

export type TaskAnswer =
  | { readonly type: 'ordered'; readonly number: number; readonly result: TaskOutcome }
  | { readonly type: 'explained'; readonly number: number; readonly result: TaskWhyView | Refusal }
  | {
      readonly type: 'renewed'
      readonly number: number
      readonly held: readonly LeaseHeld[]
      readonly lost: readonly LeaseLost[]
      /** These ends are known now. */
      readonly ended: readonly string[]
      readonly tasks: readonly TaskView[]
    }
  | { readonly type: 'written'; readonly number: number; readonly result: StrictOutcome }
  /** Something is new with this task of yours. */
  | { readonly type: 'hint'; readonly task: string; readonly token: TaskToken }

const id = z.string().regex(TASK_ID_PATTERN)
const token = z.int().min(0)
const number = z.int().min(0)
const text = z.string().max(2_000)
const target = z.string().regex(NAME_PATTERN)
const labels = z.record(z.string().max(128), z.string().max(512))
const phase = z.enum(TASK_PHASES as readonly [TaskPhase, ...TaskPhase[]])
const claim = z.object({ task: id, token })
const plain = z.unknown() as unknown as z.ZodType<RecordValue>

export const taskOrderSchema: z.ZodType<TaskOrder> = z.union([
  z.object({ type: z.literal('submit') }).and(taskSubmissionSchema),
  z.object({
    type: z.literal('update'),
    id,
    spec: plain.optional(),
    labels: labels.optional(),
    generation: z.int().min(1).optional(),
  }),
  z.object({ type: z.enum(['stop', 'undelete']), id }),
  z.object({ type: z.literal('move'), id, to: target.optional(), force: z.boolean().optional() }),
]) as z.ZodType<TaskOrder>

/** Views come from our own allocator: what is shown of them is shown, what is acted on is checked. */
const viewSchema = z.looseObject({ id, site: target, phase, token, policy: z.enum(['at-most-one', 'sticky', 'at-least-one']), labels })

/** By type: to try one after the other, and word each failure, took a tenth of all the time that tasks take. */
const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('order'), number, order: taskOrderSchema }),
  z.object({ type: z.literal('explain'), number, about: z.union([id, taskOrderSchema]) }),
  z.object({
    type: z.literal('renew'),
    number,
    leases: z.array(claim).max(RENEW_LEASES_MAX),
    ended: z.array(claim.extend({ how: z.enum(['stopped', 'done', 'failed', 'refused', 'lost']), reason: text })).max(RENEW_LEASES_MAX),
    wanted: z.array(id).max(RENEW_LEASES_MAX),
  }),
  z.object({ type: z.literal('write'), number, write: strictWriteSchema }),
  z.object({ type: z.literal('ordered'), number, result: z.looseObject({ ok: z.boolean() }) }),
  z.object({ type: z.literal('explained'), number, result: z.looseObject({}) }),
  z.object({
    type: z.literal('renewed'),
    number,
    held: z.array(z.object({ task: id, was: token, token, phase })).max(RENEW_LEASES_MAX),
    lost: z.array(z.object({ task: id, was: token, reason: text })).max(RENEW_LEASES_MAX),
    ended: z.array(id).max(RENEW_LEASES_MAX),
    tasks: z.array(viewSchema).max(RENEW_LEASES_MAX),
  }),
  z.object({ type: z.literal('written'), number, result: strictOutcomeSchema }),
  z.object({ type: z.literal('hint'), task: id, token }),
]) as unknown as z.ZodType<TaskQuestion | TaskAnswer>

export function encodeTaskMessage(message: TaskQuestion | TaskAnswer): Uint8Array {
  return encodeRecord(message)
}

/** `undefined` if it is none. Never throws. */
export function decodeTaskMessage(bytes: Uint8Array): TaskQuestion | TaskAnswer | undefined {
  return messageSchema.safeParse(decodeRecord(bytes)).data
}
