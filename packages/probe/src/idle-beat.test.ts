import { SeededRandom, after, instant } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { IdleBeat } from './idle-beat.ts'

const SPREAD = 0.05

test('links that begin anywhere are in step after two of their probes, and are never late', () => {
  const random = new SeededRandom(3)
  const beat = new IdleBeat()
  const links = Array.from({ length: 20 }, () => ({ at: instant(1000 * random.float()), probes: 0 }))
  for (let turn = 0; turn < 400; turn++) {
    const due = links.reduce((one, other) => (other.at < one.at ? other : one))
    const next = beat.following(due.at, 1000, random, SPREAD)
    expect(next - due.at).toBeGreaterThanOrEqual(500)
    expect(next - due.at).toBeLessThanOrEqual(1000 * (1 + SPREAD))
    due.at = next
    due.probes++
    if (links.every(({ probes }) => probes >= 2)) expect(new Set(links.map(({ at }) => at)).size).toBeLessThanOrEqual(2)
  }
  expect(links.every(({ probes }) => probes >= 19)).toBe(true)
})

test('in step they probe as often as one alone would, at intervals that differ', () => {
  const random = new SeededRandom(4)
  const beat = new IdleBeat()
  const intervals: number[] = []
  for (let at = instant(0); intervals.length < 1000;) {
    const next = beat.following(at, 1000, random, SPREAD)
    expect([1, 2, 3].map(() => beat.following(at, 1000, random, SPREAD))).toEqual([next, next, next])
    intervals.push(next - at)
    at = next
  }
  const mean = intervals.reduce((sum, each) => sum + each, 0) / intervals.length
  expect(mean).toBeGreaterThan(995)
  expect(mean).toBeLessThan(1005)
  expect(new Set(intervals).size).toBeGreaterThan(990)
})

test('another pace has another beat', () => {
  const random = new SeededRandom(5)
  const beat = new IdleBeat()
  const slow = beat.following(instant(0), 1000, random, SPREAD)
  const fast = beat.following(instant(0), 500, random, SPREAD)
  expect(fast).toBeLessThan(after(instant(0), 530))
  expect(beat.following(instant(100), 1000, random, SPREAD)).toBe(slow)
})
