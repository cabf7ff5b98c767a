import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LabLink } from './lab-link.ts'

const SETTLE_MS = 12_000
const TICK_MS = 100

/** One end stands still, is slow to read what has come, and runs on a busy machine for a while. */
const standstill = fc.record({
  seed: fc.nat(),
  rttMs: fc.integer({ min: 1, max: 200 }),
  inUse: fc.boolean(),
  phaseMs: fc.nat(1_200),
  end: fc.constantFrom('near' as const, 'far' as const),
  ms: fc.integer({ min: 100, max: 3_000 }),
  deafMs: fc.nat(400),
  loss: fc.constantFrom(0, 0, 0.05),
  laterLagMs: fc.constantFrom(0, 35, 60),
})

it('who stood still blames nobody, however late it reads what has come meanwhile', () => {
  let blamed = 0
  fc.assert(
    fc.property(standstill, ({ seed, rttMs, inUse, phaseMs, end, ms, deafMs, loss, laterLagMs }) => {
      const link = new LabLink({ seed, rttMs, spreadMs: rttMs / 20 }).openDatagrams()
      if (inUse) link.trafficMs = 100
      link.run(SETTLE_MS + phaseMs)
      for (const path of link.paths) path.loss = loss
      const began = link.now
      link[end].freeze(ms, deafMs)
      link.run(ms)
      for (let tick = 0; tick < 30; tick++) {
        link.run(TICK_MS)
        if (laterLagMs > 0) link[end].input({ type: 'lag', lagMs: laterLagMs })
      }
      link.run(5_000)
      expect(link[end].falls(began)).toBe(0)
      blamed += link[end === 'near' ? 'far' : 'near'].falls(began)
      for (const path of link.paths) path.loss = 0
      link.run(20_000)
      for (const { monitor } of link.ends) expect(['up', 'degraded']).toContain(monitor.state)
    }),
    { numRuns: 300 },
  )
  // That it stood still was noticed.
  expect(blamed).toBeGreaterThan(0)
})
