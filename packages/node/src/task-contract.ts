/**
 * What a node's machine takes and gives for tasks: orders of controllers, workers that offer to run tasks, and, at hubs,
 * calls to the engine that grants leases.
 */
import type { Instant, TaskOrder, TaskOutcome, TaskPhase, TaskReport, TaskToken, TaskView, TaskWhyView } from '@causeway/protocol'

export type TaskInput =
  /** Answered by `taskOrdered`, in any case: with `unreachable` if the allocator does not answer within 5 s. */
  | { readonly type: 'orderTask'; readonly request: number; readonly order: TaskOrder }
  /** Why a task is where it is; or what would come of an order, which is not given. */
  | { readonly type: 'explainTask'; readonly request: number; readonly about: string | TaskOrder }
  /** A local program runs tasks with these labels, so many at once. `worker` is the caller's number. */
  | {
      readonly type: 'work'
      readonly worker: number
      readonly selector: string
      readonly slots: number
      /** What a task may need and this worker has, for instance `{gpu: 2}`. */
      readonly capacity: Readonly<Record<string, number>>
      /** What it still runs from before it lost its node. It is given these before anybody else is. */
      readonly running?: readonly { readonly id: string; readonly token: TaskToken }[]
    }
  /** The program is gone: what it ran has stopped. */
  | { readonly type: 'workEnded'; readonly worker: number }
  /** Of a task that this worker does not have, or under a token that is not its own, it is refused: answered by `taskTaken`. */
  | { readonly type: 'reportTask'; readonly worker: number; readonly id: string; readonly token: TaskToken; readonly report: TaskReport }

export type TaskEffect =
  | { readonly type: 'taskOrdered'; readonly request: number; readonly result: TaskOutcome }
  | { readonly type: 'taskExplained'; readonly request: number; readonly result: TaskWhyView | Extract<TaskOutcome, { ok: false }> }
  /** Run it: the lease is held. */
  | { readonly type: 'taskGiven'; readonly worker: number; readonly task: TaskView }
  /** Its spec, labels or token have changed, or it is to drain (`phase` is `tombstone`). */
  | { readonly type: 'taskChanged'; readonly worker: number; readonly task: TaskView }
  /** Stop at once: the lease is lost, or somebody else has it. */
  | { readonly type: 'taskTaken'; readonly worker: number; readonly id: string; readonly token: TaskToken; readonly reason: string }

/**
 * Exclusive, fenced grants. Per task a register `(holder, token)` with a lease; every answer is linearizable. A hub has the
 * embedded engine inside its machine, or talks to etcd through its driver, by these.
 */
export type LeaseCall =
  /**
   * If the register is as `expected` says (`null`: free or run out): hold it. Answers with the new token. `seen`: and if of this task
   * nothing was granted under a later token, also if that has run out; answers with what was. An engine may forget that after a day.
   */
  | {
      readonly op: 'grant'
      readonly task: string
      readonly holder: string
      readonly expected: TaskToken | null
      readonly seen?: TaskToken
    }
  /** Of all that one node holds. Answers with those that it still holds. */
  | { readonly op: 'renew'; readonly holder: string; readonly leases: readonly { readonly task: string; readonly token: TaskToken }[] }
  | { readonly op: 'release'; readonly task: string; readonly token: TaskToken }
  /**
   * A register without a lease, which stays: if its token is `expected` (`null`: there is none), it has `value` from then on.
   * Answers with what is there then, the value as `holder`.
   */
  | { readonly op: 'claim'; readonly name: string; readonly expected: TaskToken | null; readonly value: string }
  /** All registers of tasks with leases, not of the right to create them. */
  | { readonly op: 'list' }

export interface LeaseState {
  readonly task: string
  readonly holder: string
  readonly token: TaskToken
  /** The lease has run out, and the time after it that nobody may be granted it. */
  readonly free: boolean
}

export type LeaseAnswer =
  | { readonly ok: true; readonly leases: readonly LeaseState[] }
  /** The engine says no; `leases` is what is so. */
  | { readonly ok: false; readonly leases: readonly LeaseState[] }
  /** Nobody knows whether it was done. */
  | { readonly ok: null; readonly error: string }

export type EngineEffect = { readonly type: 'leaseCall'; readonly request: number; readonly call: LeaseCall }
export type EngineInput = { readonly type: 'leaseAnswer'; readonly request: number; readonly answer: LeaseAnswer }

/** Who grants: this node's machine itself, the engine behind its driver, or the hub of that name. */
export type AllocatorPlace =
  | { readonly engine: 'embedded'; readonly hub: string }
  /** Any hub serves. */
  | { readonly engine: 'external' }
  | { readonly engine: 'none' }

/** Reads of tasks, as this node knows them. */
export interface TaskReader {
  get(id: string, site?: string): TaskView | undefined
  /** By site and id. `selector`: label conditions. */
  list(query: {
    readonly site?: string
    readonly selector?: string
    readonly phase?: string
    readonly limit?: number
    /** `SITE/ID` of the last one before these. */
    readonly after?: string
  }): readonly TaskView[]
  /** Without those that are gone. */
  counts(): Readonly<Record<TaskPhase, number>>
}

/** What the tasks of a node come to. */
export interface TaskMetrics {
  readonly workers: number
  readonly slots: number
  /** Held here, under a lease or beyond it. */
  readonly held: number
  readonly given: number
  readonly taken: number
  readonly refusedReports: number
  /** Of the allocator; `null` where there is none. */
  readonly allocator: { readonly grants: number; readonly releases: number; readonly overlaps: number } | null
}

/** The part of a node's machine that programs ask about tasks. */
export interface TaskDesk {
  readonly tasks: TaskReader
  /**
   * Until when whoever runs the task may go on without further news; it must stop by then, by its own clock. `null`: no such
   * end. `undefined`: nothing new; it goes on until what it was told last.
   */
  leaseUntil(now: Instant, id: string, token: TaskToken): Instant | null | undefined
  taskMetrics(): TaskMetrics
}
