/**
 * Tasks as programs and people see them: what is asked for (spec, by controllers), what is granted (phase, node and
 * token, by the allocator), what is so (status, by the node that runs it). Public shapes: names never change their
 * meaning. Phases are ordered by (token, rank of the phase), never by a clock.
 */
import type { ListView, RecordValue } from './api.ts'

/**
 * What becomes of a task whose lease cannot be renewed. `at-most-one`: it stops. `sticky`: it goes on while its site is
 * cut off or unknown, and is granted to nobody else meanwhile, unless moved by force. `at-least-one`: it goes on, and is
 * granted anew when the lease has run out; the overlap is bounded and reported.
 */
export type TaskPolicy = 'at-most-one' | 'sticky' | 'at-least-one'

/**
 * `pending`: known here, not yet to the allocator. `initialised`: created, without a node. `allocated`: granted to a
 * node. `tombstone`: takes no new work and drains; may go back to `allocated` with a higher token. `deleting`: its
 * worker has stopped, or none had it. `gone`: nothing of it is left but the name.
 */
export type TaskPhase = 'pending' | 'initialised' | 'allocated' | 'tombstone' | 'deleting' | 'gone'

export const TASK_PHASES: readonly TaskPhase[] = ['pending', 'initialised', 'allocated', 'tombstone', 'deleting', 'gone']

/**
 * A fencing token: grows with every grant of a task. Embedded engine: start of the allocator in seconds since 1970 · 2^20
 * plus a counter; etcd: its revision. 0: never granted.
 */
export type TaskToken = number

/** Milliseconds. The worker stops itself before anybody else may be granted the task, whatever the clocks do within 5 %. */
export const LEASE_TIMES = { renewMs: 5_000, selfStopMs: 12_000, leaseMs: 15_000, regrantMs: 17_000 } as const

export interface TaskCondition {
  /** For instance `Assigned`, `Running`, `Overlap`, `Superseded`. */
  readonly type: string
  readonly status: boolean
  readonly reason: string
  /** Wall clock, milliseconds since 1970: since when it is so. */
  readonly at: number
}

export interface TaskView {
  readonly id: string
  /** The partition of its records: the site that it was submitted for, or that it was placed at. */
  readonly site: string
  readonly phase: TaskPhase
  /** Why it is in that phase, or not yet in the next. */
  readonly reason: string
  /** Whom it is granted to. */
  readonly node: string | null
  readonly token: TaskToken
  readonly policy: TaskPolicy
  readonly convergeKey: string | null
  readonly spec: RecordValue
  readonly labels: Readonly<Record<string, string>>
  /** Of the spec; raised by each update. */
  readonly generation: number
  /** The one that the worker has seen; `null`: no worker has it yet. */
  readonly observedGeneration: number | null
  /** A worker says that it runs it, under the present token. */
  readonly running: boolean
  /** 0 to 1, if the worker tells. */
  readonly progress: number | null
  /** Whatever the worker tells. */
  readonly status: RecordValue
  readonly conditions: readonly TaskCondition[]
  /** Wall clock, milliseconds since 1970. */
  readonly createdAt: number
  readonly updatedAt: number
}

export type TaskListView = ListView<TaskView> & { readonly cutOff: boolean }

export interface TaskSubmission {
  /** @default drawn at random, or the hash of the converge key */
  readonly id?: string
  readonly spec: RecordValue
  readonly labels?: Readonly<Record<string, string>>
  /** @default 'sticky' */
  readonly policy?: TaskPolicy
  /** Two submissions with the same key are the same task; the second is answered with the first one's. */
  readonly convergeKey?: string
  /** Only there. */
  readonly site?: string
  /** There or as near as there is room. @default the site of the node that submits it */
  readonly near?: string
  /** Vital or capacity → how much of it must be free, for instance `{gpu: 1}`. */
  readonly needs?: Readonly<Record<string, number>>
  /** Label conditions on the node, as in selectors. */
  readonly nodes?: string
}

export type TaskOrder =
  | ({ readonly type: 'submit' } & TaskSubmission)
  /** `generation`: only if it is that now. */
  | {
      readonly type: 'update'
      readonly id: string
      readonly spec?: RecordValue
      readonly labels?: Readonly<Record<string, string>>
      readonly generation?: number
    }
  | { readonly type: 'stop'; readonly id: string }
  | { readonly type: 'undelete'; readonly id: string }
  /** `to`: a node or a site. `force`: also if the present holder may still run it. */
  | { readonly type: 'move'; readonly id: string; readonly to?: string; readonly force?: boolean }

export type TaskOutcome =
  /** `created`: false if the task was there already. */
  | { readonly ok: true; readonly task: TaskView; readonly created: boolean }
  | {
      readonly ok: false
      readonly code: 'not-found' | 'conflict' | 'refused' | 'unreachable'
      readonly message: string
      readonly remedy: string
    }

/** Why a task is where it is, or nowhere. */
export interface TaskWhyView {
  readonly task: TaskView
  /** Best first; those that were left out last. */
  readonly candidates: readonly {
    readonly node: string
    readonly site: string
    readonly costMs: number | null
    readonly load: number | null
    readonly chosen: boolean
    /** Why it was not chosen; empty if it was. */
    readonly rejected: string
  }[]
}

/** What a worker tells of a task that it has. */
export interface TaskReport {
  readonly state?: 'running' | 'stopped' | 'done' | 'failed'
  readonly observedGeneration?: number
  readonly progress?: number
  readonly status?: RecordValue
  readonly conditions?: readonly Omit<TaskCondition, 'at'>[]
}
