import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayWindow } from './replay-window.ts'

const WIDTH = 1024

describe('ReplayWindow', () => {
  it('takes each counter once, and all that the slowest of paths delivers within the window', () => {
    const window = new ReplayWindow(WIDTH)
    for (let counter = 0; counter < 3 * WIDTH; counter++) {
      for (const each of [counter, counter - WIDTH + 1]) {
        if (each < 0 || (each === counter && counter % 2 === 1)) continue
        expect(window.isFresh(each)).toBe(each === counter || each % 2 === 1)
        if (window.isFresh(each)) window.mark(each)
        expect(window.isFresh(each)).toBe(false)
      }
    }
  })

  it('agrees with a set of all that was seen and the edge of the window', () => {
    const near = (from: number): fc.Arbitrary<number> => fc.integer({ min: from, max: from + 2 * WIDTH })
    const counters = fc.array(fc.oneof(fc.nat(200), near(0), near(2 ** 40), near(2 ** 48 - 3 * WIDTH)), { maxLength: 200 })
    fc.assert(
      fc.property(counters, (sequence) => {
        const window = new ReplayWindow(WIDTH)
        const seen = new Set<number>()
        let highest = -1
        for (const counter of sequence) {
          const fresh = !seen.has(counter) && counter > highest - WIDTH
          expect(window.isFresh(counter)).toBe(fresh)
          if (!fresh) continue
          window.mark(counter)
          seen.add(counter)
          highest = Math.max(highest, counter)
        }
      }),
    )
  })
})
