import { expect, test } from 'vitest'
import { DepartureLead } from './departure-lead.ts'

test('learns what departures usually take, and is not misled by one that was held up', () => {
  const lead = new DepartureLead()
  expect(lead.ms).toBe(0)
  for (let i = 0; i < 50; i++) lead.left(0.2)
  expect(lead.ms).toBeCloseTo(0.2, 3)
  lead.left(500)
  expect(lead.ms).toBeLessThan(0.25)
})
