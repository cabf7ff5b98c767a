/**
 * All tasks that this node knows of, by site and id, kept up with every record that changes: reads cost no look through the
 * records. A list goes by site and id.
 *
 *  1. What is shown follows from the records alone, in whatever order they came.
 */
import {
  type RecordView,
  TASK_COLLECTIONS,
  TASK_ID_PATTERN,
  TASK_PHASES,
  type TaskPhase,
  type TaskView,
  compareGrants,
  grantRecordSchema,
  requestRecordSchema,
  statusRecordSchema,
  taskRecordSchema,
} from '@causeway/protocol'
import { parseSelector } from '@causeway/state'
import type { TaskReader } from '../task-contract.ts'
import { LabelIndex } from './label-index.ts'
import { TaskParts } from './task-parts.ts'

const LIST_MAX = 10_000

type TaskQuery = Parameters<TaskReader['list']>[0]

export class TaskIndex implements TaskReader {
  /** Site → id → the task. */
  readonly #sites = new Map<string, Map<string, TaskParts>>()
  /** Nearly always one site: a set of one would be six times as large. */
  readonly #byId = new Map<string, readonly TaskParts[]>()
  readonly #labels = new LabelIndex()

  /** Takes a record as it is now (`undefined`: deleted); returns the task that it belongs to. */
  take(collection: string, key: string, partition: string, record: RecordView | undefined): TaskParts | undefined {
    const [id = '', author = ''] = key.split('@')
    if (!TASK_ID_PATTERN.test(id)) return undefined
    const parts = this.#sites.get(partition)?.get(id) ?? new TaskParts(id, partition)
    if (!put(parts, collection, author, record)) return undefined
    parts.changed()
    this.#keep(parts)
    return parts
  }

  parts(id: string, site: string): TaskParts | undefined {
    return this.#sites.get(site)?.get(id)
  }

  /** The one with the highest grant, if several sites know one of that id. */
  find(id: string): TaskParts | undefined {
    let best: TaskParts | undefined
    for (const parts of this.#byId.get(id) ?? []) if (!best || isAhead(parts, best)) best = parts
    return best
  }

  /** Everywhere that anything is known of the id. */
  everywhere(id: string): readonly TaskParts[] {
    return this.#byId.get(id) ?? []
  }

  *all(): Iterable<TaskParts> {
    for (const tasks of this.#sites.values()) yield* tasks.values()
  }

  // ---- TaskReader

  get(id: string, site?: string): TaskView | undefined {
    return (site === undefined ? this.find(id) : this.parts(id, site))?.view()
  }

  /** Throws `usage`. Those that are gone are listed only if asked for. */
  list({ site, selector = '', phase, limit = LIST_MAX, after = '' }: TaskQuery): readonly TaskView[] {
    const matches = parseSelector(selector)
    const [afterSite = '', afterId = ''] = after.split('/')
    const candidates = this.#labels.narrowest(selector, phase)
    const found: TaskView[] = []
    for (const [tasks, from] of candidates.after({ site: afterSite, id: afterId }, site)) {
      for (let at = from; at < tasks.length && found.length < limit; at++) {
        const parts = tasks[at]
        const view = parts && matches(parts.labels) ? parts.view() : undefined
        if (view && (phase === undefined ? view.phase !== 'gone' : view.phase === phase)) found.push(view)
      }
      if (found.length >= limit) break
    }
    return found
  }

  counts(): Readonly<Record<TaskPhase, number>> {
    return Object.fromEntries(TASK_PHASES.map((phase) => [phase, this.#labels.count(phase)])) as Record<TaskPhase, number>
  }

  // ---- inside

  #keep(parts: TaskParts): void {
    const { id, site } = parts
    const tasks = this.#sites.get(site) ?? new Map<string, TaskParts>()
    this.#labels.set(parts, parts.labels, parts.phase)
    if (parts.isEmpty) {
      tasks.delete(id)
      const others = this.everywhere(id).filter((each) => each !== parts)
      if (others.length > 0) this.#byId.set(id, others)
      else this.#byId.delete(id)
      return
    }
    if (tasks.has(id)) return
    this.#sites.set(site, tasks.set(id, parts))
    this.#byId.set(id, [...this.everywhere(id), parts])
  }
}

/** False if the collection is none of tasks. A record that cannot be read counts as none. */
function put(parts: TaskParts, collection: string, author: string, record: RecordView | undefined): boolean {
  const asOf = record?.asOf ?? 0
  switch (collection) {
    case TASK_COLLECTIONS.tasks: {
      const value = taskRecordSchema.safeParse(record?.value).data
      parts.task = record && value ? { value, asOf, labels: record.labels, revision: record.revision } : undefined
      return true
    }
    case TASK_COLLECTIONS.requests: {
      const value = requestRecordSchema.safeParse(record?.value).data
      parts.request = record && value ? { value, asOf, writer: record.writer } : undefined
      return true
    }
    case TASK_COLLECTIONS.grants: {
      const value = grantRecordSchema.safeParse(record?.value).data
      if (value) parts.grants.set(author, { value, asOf })
      else parts.grants.delete(author)
      return true
    }
    case TASK_COLLECTIONS.status: {
      const value = statusRecordSchema.safeParse(record?.value).data
      if (value) parts.statuses.set(author, { value, asOf })
      else parts.statuses.delete(author)
      return true
    }
    default:
      return false
  }
}

/** A task before a pending one before none; then by grant. */
function isAhead(a: TaskParts, b: TaskParts): boolean {
  const weight = (parts: TaskParts): number => (parts.grant ? 2 : 0) + (parts.task ? 1 : 0)
  const [one, other] = [a.grant, b.grant]
  if (one && other) return compareGrants(one, other) > 0 || (compareGrants(one, other) === 0 && a.task !== undefined && !b.task)
  return weight(a) > weight(b)
}
