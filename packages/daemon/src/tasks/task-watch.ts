/**
 * A watch on tasks. A task is shown from several records (what is asked for, granted, and so), which change one after
 * the other; a watch looks at the whole of it at the end of a turn, and tells it if it looks different from before.
 *
 *  1. What has been told, taken together, is what a list would show once the turn has ended.
 *  2. Nothing is told twice, and nothing DELETED that was not ADDED; but a watch that goes on from a token does not know what
 *     was told before it: all that has changed since is told once more, as MODIFIED or DELETED.
 *  3. The token of a bookmark names what has been told before it.
 */
import { hash } from 'node:crypto'
import type { TaskView, TaskWatchEvent } from '@causeway/protocol'
import { type Selector, parseSelector } from '@causeway/state'
import type { TaskBackend } from './task-backend.ts'
import type { ChangedTask } from './task-journal.ts'
import type { TaskQuery } from './task-request.ts'

const PAGE_TASKS = 500
/** So long after something was told, a bookmark says from where to go on. */
const BOOKMARK_MS = 1_000

export class TaskWatch {
  readonly #tasks: TaskBackend
  readonly #query: TaskQuery
  readonly #selects: Selector | undefined
  readonly #tell: (event: TaskWatchEvent) => void
  readonly #unfollow: () => void
  /** Site and id of what was told, and a hash of how it looked. */
  readonly #told = new Map<string, string>()
  /** What has changed since the token that the watch goes on from. */
  readonly #missed: readonly ChangedTask[] | undefined
  #changed = new Map<string, ChangedTask>()
  /** Names what has been told, once `#changed` is. */
  #token: string
  #bookmark: NodeJS.Timeout | undefined
  /** Before the first bookmark, changes wait. */
  #begun = false
  #closed = false

  /** `since`: goes on from that token. Throws `usage`, or `gone` if it is not good any more. */
  constructor(tasks: TaskBackend, query: TaskQuery, since: string | undefined, tell: (event: TaskWatchEvent) => void) {
    this.#tasks = tasks
    this.#query = query
    this.#selects = query.selector === undefined ? undefined : parseSelector(query.selector)
    this.#tell = tell
    this.#missed = since === undefined ? undefined : tasks.changedSince(since)
    this.#token = tasks.token()
    this.#unfollow = tasks.onChange((id, site) => this.#change(id, site))
  }

  /** What is there, or what was missed, page by page as it is read, and a bookmark. Read once, by whoever tells it. */
  *initial(): Iterable<TaskWatchEvent> {
    const { site: only } = this.#query
    const concerned = this.#missed?.filter(({ site }) => (only ?? site) === site) ?? []
    const missed = new Map(concerned.map((each) => [keyOf(each.site, each.id), each]))
    for (const task of this.#all()) {
      const key = keyOf(task.site, task.id)
      if (!this.#missed) yield* this.#seen(key, task)
      else if (!missed.has(key)) this.#told.set(key, looksOf(task))
    }
    for (const [key, { id, site }] of missed) {
      const task = this.#wanted(id, site)
      // It may have been told before the break.
      this.#told.set(key, '')
      yield* this.#seen(key, task)
    }
    yield { type: 'BOOKMARK', complete: this.#tasks.complete(), token: this.#token }
    this.#begun = true
    this.#look()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#bookmark)
    this.#unfollow()
  }

  *#all(): Iterable<TaskView> {
    let after: string | undefined
    do {
      const page = this.#tasks.reader.list({ ...this.#query, limit: PAGE_TASKS, ...(after !== undefined && { after }) })
      yield* page
      const last = page.length < PAGE_TASKS ? undefined : page.at(-1)
      after = last && keyOf(last.site, last.id)
    } while (after !== undefined)
  }

  #change(id: string, site: string): void {
    if (this.#query.site !== undefined && this.#query.site !== site) return
    if (this.#changed.size === 0 && this.#begun) setImmediate(() => this.#look())
    this.#changed.set(keyOf(site, id), { id, site })
  }

  #look(): void {
    const changed = this.#changed
    this.#changed = new Map()
    if (this.#closed || changed.size === 0) return
    for (const [key, { id, site }] of changed) for (const event of this.#seen(key, this.#wanted(id, site))) this.#tell(event)
    this.#token = this.#tasks.token()
    this.#bookmark ??= setTimeout(() => {
      this.#bookmark = undefined
      this.#tell({ type: 'BOOKMARK', complete: this.#tasks.complete(), token: this.#token })
    }, BOOKMARK_MS).unref()
  }

  *#seen(key: string, task: TaskView | undefined): Iterable<TaskWatchEvent> {
    const before = this.#told.get(key)
    if (!task) {
      const [site = '', id = ''] = key.split('/')
      if (this.#told.delete(key)) yield { type: 'DELETED', task: this.#tasks.reader.get(id, site) ?? goneTask(id, site) }
      return
    }
    const looks = looksOf(task)
    if (looks === before) return
    this.#told.set(key, looks)
    yield { type: before === undefined ? 'ADDED' : 'MODIFIED', task }
  }

  #wanted(id: string, site: string): TaskView | undefined {
    const task = this.#tasks.reader.get(id, site)
    const { phase, site: only = site } = this.#query
    const isWanted = task && only === site && (phase ?? task.phase) === task.phase && (this.#selects?.(task.labels) ?? true)
    return isWanted ? task : undefined
  }
}

function keyOf(site: string, id: string): string {
  return `${site}/${id}`
}

function looksOf(task: TaskView): string {
  return hash('sha1', JSON.stringify(task), 'base64')
}

/** What is left of a task whose records are gone. */
function goneTask(id: string, site: string): TaskView {
  return {
    ...{ id, site, phase: 'gone', reason: 'nothing of it is left', node: null, token: 0, policy: 'sticky', convergeKey: null },
    ...{ spec: null, labels: {}, generation: 0, observedGeneration: null, running: false, progress: null, status: null },
    ...{ conditions: [], createdAt: 0, updatedAt: 0 },
  }
}
