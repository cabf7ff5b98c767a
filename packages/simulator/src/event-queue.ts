/**
 * What is going to happen in the world, in order of time. A binary heap of callbacks; two events of one instant
 * happen in the order they were planned, so that a run never depends on how the heap happens to lie.
 */
import { invariant } from '@causeway/protocol'

interface PlannedEvent {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class EventQueue {
  readonly #heap: PlannedEvent[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  /** When the next event happens, in world time; `Infinity` if nothing is planned. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  plan(at: number, run: () => void): void {
    invariant(at >= 0 && at < Number.POSITIVE_INFINITY, 'an event must have a time')
    const event = { at, order: this.#order++, run }
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const up = (index - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || !before(event, parent)) break
      heap[index] = parent
      index = up
    }
    heap[index] = event
  }

  /** Takes the next event out; the caller runs it, after having set its clock to `at`. */
  take(): { readonly at: number; readonly run: () => void } | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const [a, b] = [heap[left], heap[left + 1]]
      if (a === undefined) break
      const [child, at] = b !== undefined && before(b, a) ? [b, left + 1] : [a, left]
      if (!before(child, last)) break
      heap[index] = child
      index = at
    }
    heap[index] = last
    return first
  }
}

function before(a: PlannedEvent, b: PlannedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
