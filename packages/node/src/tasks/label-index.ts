/**
 * Tasks by label and by phase: a list looks only at those that the most selective of its conditions leaves, in the order in
 * which they are listed, and stops when its page is full. What a condition excludes is all but those that have it, so that
 * `kind!=record` costs no more than `kind=record`.
 */
import { type SelectorTerm, selectorTerms } from '@causeway/state'
import type { TaskParts } from './task-parts.ts'
import { AllBut, type ListedTasks, TaskSet, TaskSets } from './task-set.ts'

/** No label has such a name. */
const PHASE = '='
const NONE: ListedTasks = new TaskSet()

export class LabelIndex {
  /** Those with some phase: the others cannot be seen. */
  readonly #all = new TaskSet()
  /** By the name of a label, by name and value, and by phase. */
  readonly #sets = new Map<string, TaskSet>()
  readonly #known = new Map<TaskParts, readonly string[]>()

  /** The task has these labels and this phase now; no phase: it is not to be seen. */
  set(parts: TaskParts, labels: Readonly<Record<string, string>>, phase: string | undefined): void {
    const now = phase === undefined ? [] : [PHASE + phase]
    if (phase !== undefined) for (const [name, value] of Object.entries(labels)) now.push(name, `${name}=${value}`)
    const before = this.#known.get(parts) ?? []
    if (before.length === now.length && before.every((label, at) => label === now[at])) return
    for (const label of before) if (!now.includes(label)) this.#delete(label, parts)
    for (const label of now) if (!before.includes(label)) this.#add(label, parts)
    if (now.length > 0) {
      this.#known.set(parts, now)
      this.#all.add(parts)
    } else {
      this.#known.delete(parts)
      this.#all.delete(parts)
    }
  }

  count(phase: string): number {
    return this.#sets.get(PHASE + phase)?.size ?? 0
  }

  /** The fewest tasks that the phase or one term of the selector leaves. Throws `usage`. */
  narrowest(selector: string, phase: string | undefined): ListedTasks {
    let least: ListedTasks = this.#sets.get(PHASE + (phase ?? '')) ?? (phase === undefined ? this.#all : NONE)
    for (const term of selectorTerms(selector)) {
      const tasks = this.#of(term)
      if (tasks.size < least.size) least = tasks
    }
    return least
  }

  #of({ label, values, negated }: SelectorTerm): ListedTasks {
    const names = values === undefined ? [label] : [...new Set(values)].map((value) => `${label}=${value}`)
    const sets = names.flatMap((name) => this.#sets.get(name) ?? [])
    const [only = NONE] = sets
    const having = sets.length > 1 ? new TaskSets(sets) : only
    return negated ? new AllBut(this.#all, having) : having
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
