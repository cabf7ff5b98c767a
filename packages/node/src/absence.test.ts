import { expect, test } from 'vitest'
import { type Instant, instant } from '@causeway/protocol'
import { Absence, type AbsenceEvent } from './absence.ts'

const settled = (): boolean => true

function at(ms: number): Instant {
  return instant(ms)
}

test('a start without a hub is a cut once it has taken long', () => {
  const absence = new Absence(at(0))
  expect(absence.observe(at(100), true, settled)).toBeUndefined()
  expect(absence.nextWake(at(100))).toBe(5_000)
  expect(absence.observe(at(5_000), true, settled)?.name).toBe('site-cut-off')
  expect(absence.observe(at(6_000), true, settled)).toBeUndefined()
})

test('a usual start is none', () => {
  const absence = new Absence(at(0))
  absence.changed(at(50), 'tasks/s/k', true)
  expect(absence.observe(at(800), false, settled)).toBeUndefined()
  expect(absence.observe(at(9_000), false, settled)).toBeUndefined()
})

test('what changed on either side is counted once a record, when all has come', () => {
  const absence = new Absence(at(0))
  absence.observe(at(100), false, settled)
  absence.changed(at(900), 'tasks/s/before', true)
  expect(absence.observe(at(1_000), true, settled)?.name).toBe('site-cut-off')
  for (const key of ['x', 'x', 'y']) absence.changed(at(2_000), key, true)
  expect(absence.observe(at(61_000), false, () => false)).toBeUndefined()
  for (const key of ['p', 'q', 'p']) absence.changed(at(61_500), key, false)
  const observe = (ms: number): AbsenceEvent | undefined => absence.observe(at(ms), false, settled)
  expect(observe(64_400)).toBeUndefined()
  expect(observe(64_500)).toEqual({ name: 'site-rejoined', data: { cutOffMs: 60_000, sent: 2, received: 2, settled: true } })
  expect(observe(65_000)).toBeUndefined()
})

test('it is told after a minute in any case', () => {
  const absence = new Absence(at(0))
  absence.observe(at(6_000), true, settled)
  absence.observe(at(7_000), false, () => false)
  expect(absence.observe(at(67_000), false, () => false)?.data).toMatchObject({ settled: false })
})
