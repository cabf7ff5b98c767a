import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Deadlines } from './deadlines.ts'
import { instant } from './instant.ts'

/** The same contract without a heap: a list that is searched. */
class NaiveDeadlines {
  #slots: { key: number; at: number; order: number }[] = []
  #order = 0

  set(key: number, at: number | undefined): void {
    const old = this.#slots.find((slot) => slot.key === key)
    if (old && old.at === at) return
    this.#slots = this.#slots.filter((slot) => slot.key !== key)
    if (at !== undefined) this.#slots.push({ key, at, order: this.#order++ })
  }

  next(): number | undefined {
    return this.#sorted()[0]?.at
  }

  due(now: number, countMax = Infinity): number[] {
    const due = this.#sorted().filter((slot) => slot.at <= now)
    const taken = due.slice(0, countMax)
    this.#slots = this.#slots.filter((slot) => !taken.includes(slot))
    return taken.map((slot) => slot.key)
  }

  #sorted(): { key: number; at: number; order: number }[] {
    return this.#slots.toSorted((a, b) => a.at - b.at || a.order - b.order)
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('set' as const), key: fc.nat(12), at: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('clear' as const), key: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('due' as const), now: fc.nat(30), countMax: fc.constantFrom(0, 1, 3, Infinity) }) },
)

describe('Deadlines', () => {
  test('does what a searched list does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const heap = new Deadlines<number>()
        const naive = new NaiveDeadlines()
        for (const each of steps) {
          if (each.op === 'due') {
            expect(heap.due(instant(each.now), each.countMax)).toEqual(naive.due(each.now, each.countMax))
          } else {
            const at = each.op === 'set' ? each.at : undefined
            heap.set(each.key, at === undefined ? undefined : instant(at))
            naive.set(each.key, at)
          }
          expect(heap.next()).toBe(naive.next())
        }
        expect(heap.due(instant(1e9))).toEqual(naive.due(1e9))
        expect(heap.next()).toBeUndefined()
      }),
    )
  })

  test('moving one key ten thousand times leaves one deadline (the heap is rebuilt)', () => {
    const heap = new Deadlines<string>()
    heap.set('other', instant(5))
    for (let i = 0; i < 10_000; i++) heap.set('moved', instant(20_000 - i))
    expect(heap.due(instant(30_000))).toEqual(['other', 'moved'])
  })

  test('equal deadlines come due in the order they were set', () => {
    const heap = new Deadlines<string>()
    for (const key of ['c', 'a', 'b']) heap.set(key, instant(1))
    expect(heap.due(instant(0.999))).toEqual([])
    expect(heap.due(instant(1))).toEqual(['c', 'a', 'b'])
  })
})
