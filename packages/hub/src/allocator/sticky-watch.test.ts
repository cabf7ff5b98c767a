import { LEASE_TIMES, instant } from '@causeway/protocol'
import { describe, expect, test } from 'vitest'
import { STICKY, StickyWatch } from './sticky-watch.ts'

const RENEWED = instant(100_000)

describe('when a sticky task has stopped on a node that has crashed', () => {
  test('with its lease, if the node was seen dead before it could go on alone', () => {
    expect(watchAt(130_000).stoppedAt(RENEWED, instant(103_000))).toBe(RENEWED + LEASE_TIMES.regrantMs)
  })

  test('if it was seen dead later, so much after that', () => {
    expect(watchAt(130_000).stoppedAt(RENEWED, instant(115_000))).toBe(115_000 + STICKY.afterCrashMs)
  })

  test.each([
    ['stood still', 130_000, (watch: StickyWatch) => watch.turn(instant(147_000))],
    ['slept', 147_000, (watch: StickyWatch) => watch.slept(instant(147_000))],
  ])('so much after this hub %s: the node may have come back meanwhile', (_, until, happen) => {
    for (const crashedAt of [103_000, 115_000]) {
      const watch = watchAt(until)
      happen(watch)
      watch.turn(instant(147_500))
      expect(watch.stoppedAt(RENEWED, instant(crashedAt))).toBe(147_000 + STICKY.afterCrashMs)
    }
  })

  test('so much after the start of this hub, which knows of the crash from records', () => {
    expect(new StickyWatch(instant(160_000)).stoppedAt(RENEWED, instant(160_000))).toBe(160_000 + STICKY.afterCrashMs)
  })
})

/** A hub at work since long, with a turn each second until then. */
function watchAt(end: number): StickyWatch {
  const watch = new StickyWatch(instant(0))
  for (let now = 0; now <= end; now += 1_000) watch.turn(instant(now))
  return watch
}
