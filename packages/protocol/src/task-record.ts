/**
 * Tasks as records: who writes what, so that nobody's clock decides anything about a task.
 *
 *     tasks/SITE          ID         what is asked for: by the allocator; `desired` also by controllers
 *     task-grants/SITE    ID@HUB     what is granted: by the hub that is or was the allocator; see `compareGrants`
 *     task-status/SITE    ID@NODE    what is so: by the node that runs it, under its token
 *     task-requests/SITE  ID         what was submitted while the allocator could not be reached: by the node
 *     task-workers/SITE   NODE       what a node's workers offer: by the node
 *
 * Every reader checks: a record is whatever somebody with the right to write has written.
 */
import { z } from 'zod'
import { NAME_PATTERN } from './node-id.ts'
import type { RecordValue } from './api.ts'
import { TASK_PHASES, type TaskCondition, type TaskPhase, type TaskPolicy, type TaskSubmission, type TaskToken } from './task.ts'

export const TASK_COLLECTIONS = {
  tasks: 'tasks',
  grants: 'task-grants',
  status: 'task-status',
  requests: 'task-requests',
  workers: 'task-workers',
} as const

/** Letters, digits, `.`, `_`, `-`: 1 to 63 characters. */
export const TASK_ID_PATTERN: RegExp = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/

const NEEDS_MAX = 16
const CONDITIONS_MAX = 32
/** Of one node. */
export const WORKERS_MAX = 256

const id = z.string().regex(TASK_ID_PATTERN)
const name = z.string().regex(NAME_PATTERN)
const token = z.int().min(0)
const text = z.string().max(2_000)
const plain = z.unknown() as unknown as z.ZodType<RecordValue>
const phase = z.enum(TASK_PHASES as readonly [TaskPhase, ...TaskPhase[]])
const amounts = z
  .record(z.string().max(64), z.number().min(0))
  .refine((map) => Object.keys(map).length <= NEEDS_MAX, `more than ${NEEDS_MAX} needs`)
const policySchema = z.enum(['at-most-one', 'sticky', 'at-least-one'])

export const taskConditionSchema: z.ZodType<TaskCondition> = z.object({
  type: z.string().max(64),
  status: z.boolean(),
  reason: text,
  at: z.number(),
})

export interface TaskRecord {
  /** One field, so that two who update it at once do not make a mixture. */
  readonly desired: { readonly spec: RecordValue; readonly generation: number }
  readonly policy: TaskPolicy
  readonly convergeKey: string | null
  readonly needs: Readonly<Record<string, number>>
  /** Label conditions on the node; empty: any. */
  readonly nodes: string
  /** Only there. */
  readonly site: string | null
  readonly near: string | null
  readonly createdAt: number
  /** Of the grant under which the records were made at this site: until that has arrived as well they are not whole. */
  readonly token: TaskToken
}

export const taskRecordSchema: z.ZodType<TaskRecord> = z.object({
  desired: z.object({ spec: plain, generation: z.int().min(1) }),
  policy: policySchema,
  convergeKey: z.string().max(512).nullable(),
  needs: amounts,
  nodes: z.string().max(1_000),
  site: name.nullable(),
  near: name.nullable(),
  createdAt: z.number(),
  token,
})

export interface GrantRecord {
  readonly phase: TaskPhase
  readonly token: TaskToken
  /** Who has it, or had it under this token. */
  readonly node: string | null
  readonly reason: string
  /** Of a tombstone: what comes after it. */
  readonly goal: 'stop' | 'move' | null
  /** Where it is to move: a node or a site. */
  readonly to: string | null
  readonly conditions: readonly TaskCondition[]
}

export const grantRecordSchema: z.ZodType<GrantRecord> = z.object({
  phase,
  token,
  node: name.nullable(),
  reason: text,
  goal: z.enum(['stop', 'move']).nullable(),
  to: name.nullable(),
  conditions: z.array(taskConditionSchema).max(CONDITIONS_MAX),
})

/** Under one token a task goes through these in this order; back only with a higher token. `initialised`: given back. */
const RANK: Readonly<Record<TaskPhase, number>> = { pending: 0, allocated: 1, tombstone: 2, initialised: 3, deleting: 4, gone: 5 }

/** Which of two grants holds: the higher token, then the later phase. No clock. */
export function compareGrants(a: Pick<GrantRecord, 'token' | 'phase'>, b: Pick<GrantRecord, 'token' | 'phase'>): number {
  return a.token - b.token || RANK[a.phase] - RANK[b.phase]
}

export type TaskState = 'running' | 'stopped' | 'done' | 'failed'

export interface StatusRecord {
  readonly token: TaskToken
  readonly state: TaskState
  readonly observedGeneration: number | null
  readonly progress: number | null
  readonly status: RecordValue
  readonly conditions: readonly TaskCondition[]
  /** It goes on without the allocator, which cannot be reached. */
  readonly alone: boolean
}

export const statusRecordSchema: z.ZodType<StatusRecord> = z.object({
  token,
  state: z.enum(['running', 'stopped', 'done', 'failed']),
  observedGeneration: z.int().min(0).nullable(),
  progress: z.number().min(0).max(1).nullable(),
  status: plain,
  conditions: z.array(taskConditionSchema).max(CONDITIONS_MAX),
  alone: z.boolean(),
})

export interface WorkerOffer {
  readonly selector: string
  readonly slots: number
  readonly capacity: Readonly<Record<string, number>>
}

export interface WorkersRecord {
  readonly workers: readonly WorkerOffer[]
}

export const workerOfferSchema: z.ZodType<WorkerOffer> = z.object({
  selector: z.string().max(1_000),
  slots: z.int().min(1).max(100_000),
  capacity: amounts,
})

export const workersRecordSchema: z.ZodType<WorkersRecord> = z.object({
  workers: z.array(workerOfferSchema).max(WORKERS_MAX),
})

export const taskSubmissionSchema: z.ZodType<TaskSubmission> = z.object({
  id: id.optional(),
  spec: plain,
  labels: z.record(z.string().max(128), z.string().max(512)).optional(),
  policy: policySchema.optional(),
  convergeKey: z.string().min(1).max(512).optional(),
  site: name.optional(),
  near: name.optional(),
  needs: amounts.optional(),
  nodes: z.string().max(1_000).optional(),
}) as z.ZodType<TaskSubmission>

export interface RequestRecord {
  readonly submission: TaskSubmission & { readonly id: string }
  /** The node that it was submitted to. */
  readonly from: string
  readonly at: number
}

export const requestRecordSchema: z.ZodType<RequestRecord> = z.object({
  submission: taskSubmissionSchema,
  from: name,
  at: z.number(),
}) as z.ZodType<RequestRecord>
