/** The tasks of a node behind the local API: reads are plain calls to its machine, orders and workers go through the port. */
import {
  CausewayError,
  TASK_COLLECTIONS,
  type TaskOrder,
  type TaskOutcome,
  type TaskReport,
  type TaskToken,
  type TaskWhyView,
} from '@causeway/protocol'
import type { AllocatorPlace, TaskReader } from '@causeway/node'
import type { Freshness } from '../api-backend.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import type { Refusal, TaskBackend, WorkEffect, WorkOffer } from './task-backend.ts'
import { type ChangedTask, TaskJournal } from './task-journal.ts'

/** The collections of which tasks are made; keys are an id, in some with `@` and a node behind it. */
const COLLECTIONS: ReadonlySet<string> = new Set(Object.values(TASK_COLLECTIONS).filter((name) => name !== TASK_COLLECTIONS.workers))

export class NodeTasks implements TaskBackend {
  readonly node: string
  readonly freshness: () => Freshness
  readonly #runtime: NodeRuntime
  readonly #allocator: AllocatorPlace
  readonly #journal = new TaskJournal()

  constructor(runtime: NodeRuntime, node: string, allocator: AllocatorPlace, freshness: () => Freshness) {
    this.#runtime = runtime
    this.node = node
    this.#allocator = allocator
    this.freshness = freshness
    // As long as the node.
    this.onChange((id, site) => this.#journal.note(id, site))
  }

  get reader(): TaskReader {
    return this.#runtime.machine.tasks
  }

  token(): string {
    return this.#journal.token
  }

  changedSince(token: string): readonly ChangedTask[] {
    return this.#journal.since(token)
  }

  complete(): boolean {
    return this.#runtime.machine.replica.complete()
  }

  // oxlint-disable-next-line typescript/require-await -- what it throws is to be a rejection
  async order(order: TaskOrder): Promise<TaskOutcome> {
    this.#checkAllocator()
    return this.#runtime.tasks.order(order)
  }

  // oxlint-disable-next-line typescript/require-await -- as above
  async explain(about: string | TaskOrder): Promise<TaskWhyView | Refusal> {
    this.#checkAllocator()
    return this.#runtime.tasks.explain(about)
  }

  onChange(listener: (id: string, site: string) => void): () => void {
    return this.#runtime.onChange(({ collection, record: { key, partition } }) => {
      if (COLLECTIONS.has(collection)) listener(key.replace(/@.*$/s, ''), partition)
    })
  }

  work(offer: WorkOffer, onEffect: (effect: WorkEffect) => void): number {
    this.#checkAllocator()
    return this.#runtime.tasks.work(offer, onEffect)
  }

  report(worker: number, id: string, token: TaskToken, report: TaskReport): void {
    this.#runtime.tasks.report(worker, id, token, report)
  }

  endWork(worker: number): void {
    this.#runtime.tasks.endWork(worker)
  }

  heldForMs(id: string, token: TaskToken): number | null | undefined {
    const now = this.#runtime.now()
    const until = this.#runtime.machine.leaseUntil(now, id, token)
    return until && Math.max(0, until - now)
  }

  #checkAllocator(): void {
    if (this.#allocator.engine !== 'none') return
    const remedy = 'set "leases: {engine: embedded, hub: NAME}", or engine etcd, in the config of every node; the same in all of them'
    throw new CausewayError('refused', `${this.node} does not know who grants tasks`, remedy)
  }
}
