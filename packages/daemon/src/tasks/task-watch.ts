/**
 * A watch on tasks. A task is shown from several records (what is asked for, granted, and so), which change one after
 * the other; a watch looks at the whole of it at the end of a turn, and tells it if it looks different from before.
 *
 *  1. What has been told, taken together, is what a list would show once the turn has ended.
 *  2. Nothing is told twice, and nothing DELETED that was not ADDED.
 */
import { hash } from 'node:crypto'
import type { TaskView, TaskWatchEvent } from '@causeway/protocol'
import { type Selector, parseSelector } from '@causeway/state'
import type { TaskBackend } from './task-backend.ts'
import type { TaskQuery } from './task-request.ts'

const PAGE_TASKS = 500

export class TaskWatch {
  readonly #tasks: TaskBackend
  readonly #query: TaskQuery
  readonly #selects: Selector | undefined
  readonly #tell: (event: TaskWatchEvent) => void
  readonly #unfollow: () => void
  /** Site and id of what was told, and a hash of how it looked. */
  readonly #told = new Map<string, string>()
  #changed = new Map<string, readonly [id: string, site: string]>()
  /** Before the bookmark, changes wait. */
  #begun = false
  #closed = false

  constructor(tasks: TaskBackend, query: TaskQuery, tell: (event: TaskWatchEvent) => void) {
    this.#tasks = tasks
    this.#query = query
    this.#selects = query.selector === undefined ? undefined : parseSelector(query.selector)
    this.#tell = tell
    this.#unfollow = tasks.onChange((id, site) => this.#change(id, site))
  }

  /** What is there, page by page as it is read, and a bookmark. Read once, by whoever tells it. */
  *initial(): Iterable<TaskWatchEvent> {
    let after: string | undefined
    do {
      const page = this.#tasks.reader.list({ ...this.#query, limit: PAGE_TASKS, ...(after !== undefined && { after }) })
      for (const task of page) yield* this.#seen(keyOf(task.site, task.id), task)
      const last = page.length < PAGE_TASKS ? undefined : page.at(-1)
      after = last && keyOf(last.site, last.id)
    } while (after !== undefined)
    yield { type: 'BOOKMARK', complete: this.#tasks.complete() }
    this.#begun = true
    this.#look()
  }

  close(): void {
    this.#closed = true
    this.#unfollow()
  }

  #change(id: string, site: string): void {
    if (this.#query.site !== undefined && this.#query.site !== site) return
    if (this.#changed.size === 0 && this.#begun) setImmediate(() => this.#look())
    this.#changed.set(keyOf(site, id), [id, site])
  }

  #look(): void {
    const changed = this.#changed
    this.#changed = new Map()
    if (this.#closed) return
    for (const [key, [id, site]] of changed) {
      const task = this.#tasks.reader.get(id, site)
      for (const event of this.#seen(key, task && this.#wants(task) ? task : undefined)) this.#tell(event)
    }
  }

  *#seen(key: string, task: TaskView | undefined): Iterable<TaskWatchEvent> {
    const before = this.#told.get(key)
    if (!task) {
      const [site = '', id = ''] = key.split('/')
      if (this.#told.delete(key)) yield { type: 'DELETED', task: this.#tasks.reader.get(id, site) ?? goneTask(id, site) }
      return
    }
    const looks = hash('sha1', JSON.stringify(task), 'base64')
    if (looks === before) return
    this.#told.set(key, looks)
    yield { type: before === undefined ? 'ADDED' : 'MODIFIED', task }
  }

  #wants(task: TaskView): boolean {
    return (this.#query.phase === undefined || this.#query.phase === task.phase) && (this.#selects?.(task.labels) ?? true)
  }
}

function keyOf(site: string, id: string): string {
  return `${site}/${id}`
}

/** What is left of a task whose records are gone. */
function goneTask(id: string, site: string): TaskView {
  return {
    ...{ id, site, phase: 'gone', reason: 'nothing of it is left', node: null, token: 0, policy: 'sticky', convergeKey: null },
    ...{ spec: null, labels: {}, generation: 0, observedGeneration: null, running: false, progress: null, status: null },
    ...{ conditions: [], createdAt: 0, updatedAt: 0 },
  }
}
