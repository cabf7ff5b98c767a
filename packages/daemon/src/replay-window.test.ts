import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REPLAY_WINDOW, ReplayWindow } from './replay-window.ts'

describe('ReplayWindow', () => {
  it('takes each counter at most once, and all in order', () => {
    const window = new ReplayWindow()
    for (let counter = 0; counter < 5_000; counter++) {
      expect(window.isFresh(counter)).toBe(true)
      window.mark(counter)
      expect(window.isFresh(counter)).toBe(false)
    }
  })

  it('agrees with a set of all seen counters and the edge of the window', () => {
    const counters = fc.array(fc.oneof(fc.nat(3_000), fc.nat(100), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 1_500 })), { maxLength: 300 })
    fc.assert(
      fc.property(counters, (sequence) => {
        const window = new ReplayWindow()
        const seen = new Set<number>()
        let highest = -1
        for (const counter of sequence) {
          const fresh = !seen.has(counter) && counter > highest - REPLAY_WINDOW
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
