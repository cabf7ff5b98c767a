/**
 * Tasks by one label and by phase, site by site: a list that asks for one of them looks only at those that have it, in the
 * order in which they are listed, and stops when its page is full.
 */
import type { TaskParts } from './task-parts.ts'

/** One label of a selector that must have one value: `a=b`. */
const EQUALITY = /^\s*([A-Za-z0-9_./-]+)\s*==?\s*([A-Za-z0-9_./-]+)\s*$/
/** No label has such a name. */
const PHASE = '='

/** Most labels are of one task alone: that costs no more than a pointer. */
export class TaskSet {
  #only: TaskParts | undefined
  /** From the second task on. */
  #sites: Map<string, Set<TaskParts>> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  add(parts: TaskParts): void {
    if (this.#size === 0 && !this.#sites) {
      this.#only = parts
      this.#size = 1
      return
    }
    if (parts === this.#only) return
    const first = this.#only
    this.#only = undefined
    this.#sites ??= new Map(first ? [[first.site, new Set([first])]] : [])
    const tasks = this.#sites.get(parts.site)
    if (tasks?.has(parts)) return
    this.#size += 1
    if (tasks) tasks.add(parts)
    else this.#sites.set(parts.site, new Set([parts]))
  }

  delete(parts: TaskParts): void {
    if (parts === this.#only) {
      this.#only = undefined
      this.#size = 0
      return
    }
    const tasks = this.#sites?.get(parts.site)
    if (!tasks?.delete(parts)) return
    this.#size -= 1
    if (tasks.size === 0) this.#sites?.delete(parts.site)
  }

  /** By site and id, those of `site` alone if it is named, from the site `from` on. */
  *inOrder(site: string | undefined, from: string): Iterable<TaskParts> {
    if (this.#only) {
      if (site === undefined ? this.#only.site >= from : this.#only.site === site) yield this.#only
      return
    }
    const all = this.#sites
    if (!all) return
    const sites = site === undefined ? [...all.keys()].filter((name) => name >= from).toSorted() : [site]
    for (const name of sites) yield* [...(all.get(name) ?? [])].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }
}

export class LabelIndex {
  readonly #sets = new Map<string, TaskSet>()
  readonly #known = new Map<TaskParts, readonly string[]>()

  /** The task has these labels and this phase now; none: it is no more. */
  set(parts: TaskParts, labels: Readonly<Record<string, string>>, phase: string | undefined): void {
    const now = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    if (phase !== undefined) now.push(PHASE + phase)
    const before = this.#known.get(parts) ?? []
    if (before.length === now.length && before.every((label, at) => label === now[at])) return
    for (const label of before) this.#delete(label, parts)
    for (const label of now) this.#add(label, parts)
    if (now.length > 0) this.#known.set(parts, now)
    else this.#known.delete(parts)
  }

  count(phase: string): number {
    return this.#sets.get(PHASE + phase)?.size ?? 0
  }

  /** The fewest tasks that the phase or one label of the selector leaves; `undefined` if none of them does. */
  narrowest(selector: string, phase: string | undefined): TaskSet | undefined {
    const wanted = selector.split(/,(?![^(]*\))/).flatMap((term) => {
      const [, name, value] = EQUALITY.exec(term) ?? []
      return name === undefined ? [] : [`${name}=${value}`]
    })
    if (phase !== undefined) wanted.push(PHASE + phase)
    const sets = wanted.map((label) => this.#sets.get(label) ?? new TaskSet())
    return sets.length === 0 ? undefined : sets.reduce((a, b) => (a.size <= b.size ? a : b))
  }

  #add(label: string, parts: TaskParts): void {
    let tasks = this.#sets.get(label)
    if (!tasks) this.#sets.set(label, (tasks = new TaskSet()))
    tasks.add(parts)
  }

  #delete(label: string, parts: TaskParts): void {
    const tasks = this.#sets.get(label)
    tasks?.delete(parts)
    if (tasks?.size === 0) this.#sets.delete(label)
  }
}
