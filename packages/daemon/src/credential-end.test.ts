import { expect, test } from 'vitest'
import { CredentialEnd } from './credential-end.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

test('a credential that ends is told of two weeks before, then each step once, and when it has ended', () => {
  const told: unknown[] = []
  const end = new CredentialEnd(100 * DAY_MS, (name, { hoursLeft }) => told.push([name, hoursLeft]))
  for (let hour = 0; hour <= 101 * 24; hour++) end.look(hour * HOUR_MS)
  expect(told).toEqual([...[336, 168, 72, 24, 1].map((hoursLeft) => ['credential-ends', hoursLeft]), ['credential-ended', undefined]])
})

test('at a late start, one line says how much is left and what to do', () => {
  const told: unknown[] = []
  const end = new CredentialEnd(2 * DAY_MS, (name, data) => told.push({ name, ...data }))
  end.look(HOUR_MS)
  end.look(2 * HOUR_MS)
  expect(told).toEqual([
    { name: 'credential-ends', at: '1970-01-03T00:00:00.000Z', hoursLeft: 47, remedy: expect.stringContaining('causeway renew') },
  ])
})
