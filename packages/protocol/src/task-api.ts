/**
 * What the local API tells of tasks beside their views: pages, lines of a watch, and the talk of a worker with its node.
 *
 * A worker opens a stream, on which it is told what to run, and asks about once a second for how long it may go on. It
 * counts from when it *sent* the question, so that a node which hangs or dies cannot keep it running beyond its lease.
 */
import type { RecordChangeType } from './api.ts'
import type { TaskListView, TaskReport, TaskToken, TaskView } from './task.ts'

/** The task and whether this order has made it: false if another with the same id or converge key had. */
export type SubmittedTask = TaskView & { readonly created: boolean }

/** Tasks by site and id. */
export type TaskPageView = TaskListView & {
  /** There are more: this asks for the next page. */
  readonly continue?: string
  /** Whether every interest of the node has been served. */
  readonly complete: boolean
}

export type TaskWatchEvent =
  | { readonly type: RecordChangeType; readonly task: TaskView }
  /** All that was there has been told, or is up to `token`, from which a watch can go on; `complete` as in pages. */
  | { readonly type: 'BOOKMARK'; readonly complete: boolean; readonly token: string }

/** What a worker offers to run. */
export interface WorkRequest {
  /** Label conditions on tasks. @default all */
  readonly selector?: string
  /** How many at once. @default 1 */
  readonly slots?: number
  /** What a task may need and this worker has, for instance `{gpu: 2}`. */
  readonly capacity?: Readonly<Record<string, number>>
  /** What it still runs from before it lost its node. */
  readonly running?: readonly TaskGrant[]
}

/** A line of a worker's stream. */
export type WorkLine =
  /** The first: the name by which the worker reports. */
  | { readonly type: 'ready'; readonly worker: string }
  /** Run it; after asking for how long. */
  | { readonly type: 'given'; readonly task: TaskView }
  /** Other spec, labels, token or phase; `tombstone`: it is to end. */
  | { readonly type: 'changed'; readonly task: TaskView }
  /** Stop at once. */
  | { readonly type: 'taken'; readonly id: string; readonly token: TaskToken; readonly reason: string }

/** What a worker tells and asks. */
export interface WorkReports {
  readonly reports: readonly (TaskReport & TaskGrant)[]
  /** Asks for how long each of these may go on. */
  readonly holding: readonly TaskGrant[]
}

export interface TaskGrant {
  readonly id: string
  readonly token: TaskToken
}

export interface WorkAnswer {
  readonly held: readonly HeldTask[]
}

export interface HeldTask extends TaskGrant {
  /** Milliseconds from the question on. `null`: until it is taken. 0: no longer. */
  readonly forMs: number | null
  /** Why not. */
  readonly reason: string
}
