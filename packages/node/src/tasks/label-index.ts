/**
 * Tasks by one label and by phase, site by site: a list that asks for one of them looks only at those that have it, in the
 * order in which they are listed, and stops when its page is full.
 */
import type { TaskParts } from './task-parts.ts'

/** A term of a selector by which a label must have one value, `a=b`, or one of several, `a in (b,c)`. */
const EQUALITY = /^\s*([A-Za-z0-9_./-]+)\s*==?\s*([A-Za-z0-9_./-]+)\s*$/
const ONE_OF = /^\s*([A-Za-z0-9_./-]+)\s+in\s*\(([^()]*)\)\s*$/
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

  /** By site and id those that are wanted, of `site` alone if it is named, from the site `from` on. */
  *inOrder(site: string | undefined, from: string, wants: (parts: TaskParts) => boolean): Iterable<TaskParts> {
    if (this.#only) {
      if ((site === undefined ? this.#only.site >= from : this.#only.site === site) && wants(this.#only)) yield this.#only
      return
    }
    const all = this.#sites
    if (!all) return
    const sites = site === undefined ? [...all.keys()].filter((name) => name >= from).toSorted() : [site]
    // To sort costs more than to look.
    for (const name of sites) yield* [...(all.get(name) ?? [])].filter(wants).sort((a, b) => (a.id < b.id ? -1 : 1))
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
      const labels = labelsOf(term)
      return labels ? [labels] : []
    })
    if (phase !== undefined) wanted.push([PHASE + phase])
    let least: { readonly sets: readonly TaskSet[]; readonly size: number } | undefined
    for (const labels of wanted) {
      const sets = labels.flatMap((label) => this.#sets.get(label) ?? [])
      const size = sets.reduce((sum, set) => sum + set.size, 0)
      if (!least || size < least.size) least = { sets, size }
    }
    return least && together(least.sets)
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

/** The labels of which a task must have one; `undefined` if the term does not say. */
function labelsOf(term: string): readonly string[] | undefined {
  const [, label, value] = EQUALITY.exec(term) ?? []
  if (label !== undefined) return [`${label}=${value}`]
  const [, name, values] = ONE_OF.exec(term) ?? []
  return values?.split(',').map((each) => `${name}=${each.trim()}`)
}

function together(sets: readonly TaskSet[]): TaskSet {
  const [only] = sets
  if (only && sets.length === 1) return only
  const all = new TaskSet()
  for (const set of sets) for (const parts of set.inOrder(undefined, '', () => true)) all.add(parts)
  return all
}
