import { expect, test } from 'vitest'
import { type NodeId, instant } from '@causeway/protocol'
import { UNMEASURED_COST_MS } from './link-state.ts'
import { Path } from './path.ts'

const ROUTE = [2, 3] as NodeId[]

test('what a plan says is taken for the round trip until packets have told one', () => {
  expect(new Path(ROUTE, 20).patienceMs).toBeLessThan(200)
  expect(new Path(ROUTE, 400).patienceMs).toBeGreaterThan(2_000)
})

test('a path with a link that nobody has measured is given the patience of one of which nothing is known', () => {
  expect(new Path(ROUTE, UNMEASURED_COST_MS + 42).patienceMs).toBe(new Path(ROUTE, null).patienceMs)
})

test('a path that leaves the plan has not become slower by that', () => {
  const path = new Path(ROUTE, 40)
  const { patienceMs } = path
  path.costMs = null
  expect(path.patienceMs).toBe(patienceMs)
  path.costMs = UNMEASURED_COST_MS + 42
  expect(path.patienceMs).toBe(patienceMs)
  path.costMs = 20
  expect(path.patienceMs).toBeLessThan(patienceMs)
})

test('what was overdue and only late has not made the window smaller', () => {
  const path = new Path(ROUTE, 20)
  const windowBytes = path.windowBytes(instant(0))
  path.timedOut(instant(100))
  path.timedOut(instant(1_000))
  expect(path.windowBytes(instant(1_000))).toBeLessThan(windowBytes)
  path.wasLate()
  expect(path.windowBytes(instant(1_000))).toBe(windowBytes)
})
