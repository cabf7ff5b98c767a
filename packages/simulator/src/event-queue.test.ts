import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventQueue } from './event-queue.ts'

test('gives back events by time, then in the order of planning, also when planned in between', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(20), fc.constant('take' as const)), { maxLength: 300 }), (steps) => {
      const queue = new EventQueue()
      let naive: { at: number; id: number }[] = []
      let taken = -1
      const takeOne = (): void => {
        const expected = naive.toSorted((a, b) => a.at - b.at || a.id - b.id)[0]
        expect(queue.nextAt).toBe(expected?.at ?? Number.POSITIVE_INFINITY)
        taken = -1
        queue.take()?.run()
        expect(taken).toBe(expected?.id ?? -1)
        naive = naive.filter((each) => each !== expected)
      }
      for (const [id, step] of steps.entries()) {
        if (step === 'take') {
          takeOne()
        } else {
          queue.plan(step, () => (taken = id))
          naive.push({ at: step, id })
        }
      }
      while (naive.length > 0) takeOne()
      expect(queue.size).toBe(0)
    }),
  )
})

test('refuses times that are none', () => {
  const queue = new EventQueue()
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, -1]) expect(() => queue.plan(at, () => {})).toThrow(/must have a time/)
})
