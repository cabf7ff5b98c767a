/**
 * A set of tasks in the order in which they are listed, by site and id: a page begins anywhere, and costs what is looked at.
 * Most labels are of one task alone: that costs no more than a pointer.
 */
import type { TaskParts } from './task-parts.ts'

/** So many of a long list are taken at once: most pages need no more. */
const CHUNK = 128
const NO_LIST: readonly [readonly TaskParts[], number] = [[], 0]

/** A place in the list, behind a task or between two. */
export interface ListPlace {
  readonly site: string
  readonly id: string
}

/** Tasks by site and id. */
export interface ListedTasks {
  readonly size: number
  /** Those behind a place, of `site` alone if it is named: lists, each from an index on. One by one would take thrice as long. */
  after(place: ListPlace, site?: string): Iterable<readonly [tasks: readonly TaskParts[], from: number]>
}

export class TaskSet implements ListedTasks {
  #only: TaskParts | undefined
  /** From the second task on: of each site by id, and the sites by name. */
  #tasks: Map<string, TaskParts[]> | undefined
  readonly #sites: string[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(parts: TaskParts): void {
    if (this.#size === 0 && !this.#tasks) {
      this.#only = parts
      this.#size = 1
      return
    }
    if (parts === this.#only) return
    this.#tasks ??= new Map()
    const first = this.#only
    this.#only = undefined
    if (first) this.#insert(this.#tasks, first)
    if (this.#insert(this.#tasks, parts)) this.#size += 1
  }

  delete(parts: TaskParts): void {
    const { site, id } = parts
    if (parts === this.#only) {
      this.#only = undefined
      this.#size = 0
      return
    }
    const tasks = this.#tasks?.get(site)
    const at = tasks ? placeOf(tasks.length, (each) => (tasks[each]?.id ?? '') < id) : 0
    if (tasks?.[at] !== parts) return
    tasks.splice(at, 1)
    this.#size -= 1
    if (tasks.length > 0) return
    this.#tasks?.delete(site)
    this.#sites.splice(this.#placeOf(site), 1)
  }

  *after(place: ListPlace, site?: string): Iterable<readonly [readonly TaskParts[], number]> {
    const only = this.#only
    if (only) {
      if (isBefore(place, only) && (site === undefined || only.site === site)) yield [[only], 0]
      return
    }
    const sites = site === undefined ? this.#sites : [site]
    for (let at = site === undefined ? this.#placeOf(place.site) : 0; at < sites.length; at++) {
      const tasks = this.#tasks?.get(sites[at] ?? '') ?? []
      const [first] = tasks
      if (first) yield [tasks, isBefore(place, first) ? 0 : placeOf(tasks.length, (each) => !isBefore(place, tasks[each] ?? place))]
    }
  }

  /** False if it is there. */
  #insert(sites: Map<string, TaskParts[]>, parts: TaskParts): boolean {
    const { site, id } = parts
    let tasks = sites.get(site)
    if (!tasks) {
      sites.set(site, (tasks = []))
      this.#sites.splice(this.#placeOf(site), 0, site)
    }
    const held = tasks
    const at = placeOf(held.length, (each) => (held[each]?.id ?? '') < id)
    if (held[at] === parts) return false
    held.splice(at, 0, parts)
    return true
  }

  #placeOf(site: string): number {
    return placeOf(this.#sites.length, (each) => (this.#sites[each] ?? '') < site)
  }
}

/** Several sets that have no task in common, as one. */
export class TaskSets implements ListedTasks {
  readonly #sets: readonly ListedTasks[]
  readonly size: number

  constructor(sets: readonly ListedTasks[]) {
    this.#sets = sets
    this.size = sets.reduce((sum, set) => sum + set.size, 0)
  }

  /** Merges the lists: of what each has next the first goes. */
  *after(place: ListPlace, site?: string): Iterable<readonly [readonly TaskParts[], number]> {
    const lists = this.#sets.map((set) => each(set.after(place, site)))
    const heads = lists.map((list) => list.next().value)
    for (;;) {
      let least: TaskParts | undefined
      for (const head of heads) if (head && (!least || isBefore(head, least))) least = head
      if (!least) return
      yield [[least], 0]
      const from = heads.indexOf(least)
      heads[from] = lists[from]?.next().value
    }
  }
}

/** All of one set but those of another, which are all in it. Only lists are walked: no task is looked at. */
export class AllBut implements ListedTasks {
  readonly #all: ListedTasks
  readonly #but: ListedTasks
  readonly size: number

  constructor(all: ListedTasks, but: ListedTasks) {
    this.#all = all
    this.#but = but
    this.size = all.size - but.size
  }

  *after(place: ListPlace, site?: string): Iterable<readonly [readonly TaskParts[], number]> {
    if (this.size === 0) return
    const lists = this.#but.after(place, site)[Symbol.iterator]()
    let [excluded, next] = lists.next().value ?? NO_LIST
    for (const [tasks, from] of this.#all.after(place, site)) {
      const left: TaskParts[] = []
      for (let at = from; at < tasks.length; at++) {
        const parts = tasks[at] as TaskParts
        if (parts !== excluded[next]) left.push(parts)
        else if (++next === excluded.length) [excluded, next] = lists.next().value ?? NO_LIST
        if (left.length === CHUNK) yield [left.splice(0), 0]
      }
      yield [left, 0]
    }
  }
}

function* each(lists: ReturnType<ListedTasks['after']>): Generator<TaskParts, undefined> {
  for (const [tasks, from] of lists) for (let at = from; at < tasks.length; at++) yield tasks[at] as TaskParts
  return undefined
}

function isBefore(a: ListPlace, b: ListPlace): boolean {
  return a.site < b.site || (a.site === b.site && a.id < b.id)
}

/** Binary search: the first of `length` places that does not come `before`. */
function placeOf(length: number, before: (at: number) => boolean): number {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(middle)) low = middle + 1
    else high = middle
  }
  return low
}
