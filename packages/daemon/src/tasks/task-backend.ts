/** What the local API needs of a node for tasks: reads, orders, and workers. The seam between HTTP and the machine. */
import type { TaskGrant, TaskOrder, TaskOutcome, TaskReport, TaskToken, TaskWhyView } from '@causeway/protocol'
import type { TaskEffect, TaskReader } from '@causeway/node'
import type { Freshness } from '../api-backend.ts'
import type { ChangedTask } from './task-journal.ts'

/** What a local program is ready to run. */
export interface WorkOffer {
  readonly selector: string
  readonly slots: number
  readonly capacity: Readonly<Record<string, number>>
  /** What the program still runs from before it lost its node. */
  readonly running: readonly TaskGrant[]
}

/** What one worker is told. */
export type WorkEffect = Extract<TaskEffect, { readonly worker: number }>

export type Refusal = Extract<TaskOutcome, { ok: false }>

export interface TaskBackend {
  /** This node. */
  readonly node: string
  /** As this node knows them. */
  readonly reader: TaskReader
  /** Names the state that a list shows, for a watch to go on from. */
  token(): string
  /** Which tasks have changed since, in order. Throws `usage`, or `gone` if that is not known here. */
  changedSince(token: string): readonly ChangedTask[]
  freshness(): Freshness
  /** Every interest has been served. */
  complete(): boolean
  /** Throws `refused` if this node knows no allocator. */
  order(order: TaskOrder): Promise<TaskOutcome>
  /** Of a task, by id; or what would come of an order, which is not given. */
  explain(about: string | TaskOrder): Promise<TaskWhyView | Refusal>
  /** Calls `listener` when a task may look different from now on. */
  onChange(listener: (id: string, site: string) => void): () => void
  /** The number of the worker. */
  work(offer: WorkOffer, onEffect: (effect: WorkEffect) => void): number
  report(worker: number, id: string, token: TaskToken, report: TaskReport): void
  /** The program is gone, and with it what it ran. */
  endWork(worker: number): void
  /** Milliseconds from now for which the task may run here without further news; `null`: until it is taken; `undefined`: as told before. */
  heldForMs(id: string, token: TaskToken): number | null | undefined
}
