import { expect, test } from 'vitest'
import { playScale } from './scale-world.ts'

test('a small world plays the trace to all its readers, and is one again after its region was cut off', { timeout: 60_000 }, () => {
  const figures = playScale({ seed: 1, sites: 4, nodes: 1, hubs: 2, seconds: 5 })
  expect(figures).toMatchObject({ unseen: 0, silent: 0 })
  expect(figures.dropped).toBeGreaterThan(0)
  expect(figures.convergedMs).toBeLessThan(30_000)
  // A site says and hears at least its vitals and its own changes.
  expect(Math.min(figures.bytesUp, figures.bytesDown)).toBeGreaterThan(500)
  expect(figures.seenMaxMs).toBeLessThan(2_000)
  expect(figures.hubCpuMs).toBeGreaterThan(0)
  expect(figures.happened).toBeGreaterThan(2 * figures.hubTurns)
})
