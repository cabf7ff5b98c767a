/** For tests of what stands on tasks: a node's tasks in memory, which notes what it is asked, and answers as the test says. */
import type { TaskOrder, TaskOutcome, TaskPhase, TaskReport, TaskToken, TaskView, TaskWhyView } from '@causeway/protocol'
import type { TaskReader } from '@causeway/node'
import { parseSelector } from '@causeway/state'
import type { Refusal, TaskBackend, WorkEffect, WorkOffer } from './task-backend.ts'
import { type ChangedTask, TaskJournal } from './task-journal.ts'

export class ScriptedTasks implements TaskBackend {
  readonly node: string = 'hkg-1-a'
  readonly orders: TaskOrder[] = []
  readonly asked: (string | TaskOrder)[] = []
  readonly journal: TaskJournal = new TaskJournal()
  readonly reports: { readonly worker: number; readonly id: string; readonly token: TaskToken; readonly report: TaskReport }[] = []
  readonly offers: WorkOffer[] = []
  readonly ended: number[] = []
  outcome: TaskOutcome = { ok: false, code: 'refused', message: 'nothing is scripted', remedy: 'script it' }
  why: TaskWhyView | Refusal = { ok: false, code: 'not-found', message: 'there is no such task', remedy: 'check the id' }
  /** Id → for how long its lease holds. */
  readonly held: Map<string, number | null> = new Map()
  readonly #tasks = new Map<string, TaskView>()
  readonly #listeners = new Set<(id: string, site: string) => void>()
  readonly #workers = new Map<number, (effect: WorkEffect) => void>()

  readonly reader: TaskReader = {
    get: (id, site) => [...this.#tasks.values()].find((task) => task.id === id && (site === undefined || task.site === site)),
    list: ({ site, selector = '', phase, limit = Number.POSITIVE_INFINITY, after = '' }) => {
      const selects = parseSelector(selector)
      return [...this.#tasks]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .filter(([place, task]) => place > after && (site ?? task.site) === task.site && (phase ?? task.phase) === task.phase)
        .map(([, task]) => task)
        .filter(({ labels }) => selects(labels))
        .slice(0, limit)
    },
    counts: () => ({ pending: 0, initialised: 0, allocated: this.#tasks.size, tombstone: 0, deleting: 0, gone: 0 }),
  }

  /** As if records had changed. */
  put(task: TaskView): void {
    this.#tasks.set(`${task.site}/${task.id}`, task)
    this.journal.note(task.id, task.site)
    for (const listener of this.#listeners) listener(task.id, task.site)
  }

  remove({ id, site }: TaskView): void {
    this.#tasks.delete(`${site}/${id}`)
    this.journal.note(id, site)
    for (const listener of this.#listeners) listener(id, site)
  }

  /** Tells a worker. */
  tell(effect: WorkEffect): void {
    this.#workers.get(effect.worker)?.(effect)
  }

  token(): string {
    return this.journal.token
  }

  changedSince(token: string): readonly ChangedTask[] {
    return this.journal.since(token)
  }

  freshness(): { asOf: number; cutOff: boolean } {
    return { asOf: 0, cutOff: false }
  }

  complete(): boolean {
    return true
  }

  order(order: TaskOrder): Promise<TaskOutcome> {
    this.orders.push(order)
    return Promise.resolve(this.outcome)
  }

  explain(about: string | TaskOrder): Promise<TaskWhyView | Refusal> {
    this.asked.push(about)
    return Promise.resolve(this.why)
  }

  onChange(listener: (id: string, site: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get watchers(): number {
    return this.#listeners.size
  }

  work(offer: WorkOffer, onEffect: (effect: WorkEffect) => void): number {
    this.#workers.set(this.offers.push(offer), onEffect)
    return this.offers.length
  }

  report(worker: number, id: string, token: TaskToken, report: TaskReport): void {
    this.reports.push({ worker, id, token, report })
  }

  endWork(worker: number): void {
    this.ended.push(worker)
  }

  heldForMs(id: string): number | null | undefined {
    return this.held.get(id)
  }
}

export function scriptedTask(id: string, more: Partial<TaskView> = {}): TaskView {
  return {
    ...{
      id,
      site: 'hkg-1',
      phase: 'allocated' satisfies TaskPhase,
      reason: '',
      node: 'hkg-1-a',
      token: 7,
      policy: 'sticky',
      convergeKey: null,
    },
    ...{
      spec: { n: 1 },
      labels: { kind: 'record' },
      generation: 1,
      observedGeneration: null,
      running: false,
      progress: null,
      status: null,
    },
    ...{ conditions: [], createdAt: 0, updatedAt: 0 },
    ...more,
  }
}
