/**
 * Which tasks have changed lately, in order: from there a watch goes on that was interrupted, or one that follows a list.
 *
 * A token is `JOURNAL.POSITION`. Of each task only the last change is kept, since a watch tells how a task looks now and not
 * what it has been through; so the journal is never longer than there are tasks, and `TASKS_MAX` at most.
 *
 *  1. A token is good at the node that gave it out, until that restarts or has forgotten changes that came after it.
 */
import { CausewayError } from '@causeway/protocol'
import { randomInt } from 'node:crypto'

const TASKS_MAX = 100_000
const TOKEN = /^([a-z0-9]{1,16})\.([a-z0-9]{1,12})$/

export interface ChangedTask {
  readonly id: string
  readonly site: string
}

export class TaskJournal {
  readonly #name: string = randomInt(2 ** 47).toString(36)
  readonly #tasksMax: number
  /** By site and id, those that changed last at the end. */
  readonly #changes = new Map<string, ChangedTask & { readonly position: number }>()
  #position = 0
  /** The last change that was forgotten. */
  #forgotten = 0

  constructor(tasksMax: number = TASKS_MAX) {
    this.#tasksMax = tasksMax
  }

  /** Names what has been noted so far. */
  get token(): string {
    return `${this.#name}.${this.#position.toString(36)}`
  }

  note(id: string, site: string): void {
    const key = `${site}/${id}`
    this.#changes.delete(key)
    this.#changes.set(key, { id, site, position: ++this.#position })
    if (this.#changes.size <= this.#tasksMax) return
    const [oldest] = this.#changes
    if (!oldest) return
    this.#changes.delete(oldest[0])
    this.#forgotten = oldest[1].position
  }

  /** Throws `usage` if it is no token, `gone` if it is not good here any more. */
  since(token: string): readonly ChangedTask[] {
    const [, name, text = ''] = TOKEN.exec(token) ?? []
    if (name === undefined) throw new CausewayError('usage', 'this is no token of tasks', 'give it as a list or a watch of tasks gave it')
    const position = Number.parseInt(text, 36)
    if (name !== this.#name || position < this.#forgotten || position > this.#position) {
      const message = 'which tasks have changed since that token is not known: it is too old, or of another node, or from before a restart'
      throw new CausewayError('gone', message, 'list again, and watch from there')
    }
    return [...this.#changes.values()].filter((change) => change.position > position)
  }
}
