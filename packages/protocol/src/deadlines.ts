/**
 * One deadline table: who has to be woken when. A binary heap with lazy deletion, so that setting, moving and
 * clearing a deadline cost O(log n), and asking for the next one costs O(1) amortised.
 *
 *  1. A key has at most one deadline; setting it again moves it.
 *  2. Keys come due in order of their deadlines; equal deadlines in the order they were set.
 */
import { invariant } from './errors.ts'
import type { Instant } from './instant.ts'

interface Slot<Key> {
  readonly key: Key
  readonly at: Instant
  readonly order: number
}

export class Deadlines<Key> {
  readonly #current = new Map<Key, Slot<Key>>()
  #heap: Slot<Key>[] = []
  #order = 0

  /** Sets, moves or (with `undefined`) clears the deadline of `key`. */
  set(key: Key, at: Instant | undefined): void {
    const before = this.#current.get(key)
    if (at === undefined) {
      if (before) this.#current.delete(key)
      return
    }
    if (before?.at === at) return
    const slot = { key, at, order: this.#order++ }
    this.#current.set(key, slot)
    this.#push(slot)
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#rebuild()
  }

  next(): Instant | undefined {
    this.#dropStale()
    return this.#heap[0]?.at
  }

  /** Removes and returns the keys that are due at `now`, earliest first; at most so many, and the others stay due. */
  due(now: Instant, countMax: number = Infinity): Key[] {
    const keys: Key[] = []
    while (keys.length < countMax) {
      this.#dropStale()
      const top = this.#heap[0]
      if (!top || top.at > now) return keys
      this.#pop()
      this.#current.delete(top.key)
      keys.push(top.key)
    }
    return keys
  }

  #dropStale(): void {
    for (let top = this.#heap[0]; top && this.#current.get(top.key) !== top; top = this.#heap[0]) this.#pop()
  }

  #rebuild(): void {
    this.#heap = []
    for (const slot of this.#current.values()) this.#push(slot)
  }

  #push(slot: Slot<Key>): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(slot)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = slotAt(heap, up)
      if (!before(slot, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = slot
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) break
      const right = left + 1
      const least = right < heap.length && before(slotAt(heap, right), slotAt(heap, left)) ? right : left
      const child = slotAt(heap, least)
      if (!before(child, last)) break
      heap[at] = child
      at = least
    }
    heap[at] = last
  }
}

function slotAt<Key>(heap: Slot<Key>[], index: number): Slot<Key> {
  const slot = heap[index]
  invariant(slot !== undefined, 'deadline heap index out of range')
  return slot
}

function before<Key>(a: Slot<Key>, b: Slot<Key>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
