import { expect, test } from 'vitest'
import { planetLabDelays } from './planetlab-delays.ts'

test('same seed, same places; delays are the same both ways and plausible', () => {
  const size = { hubs: 3, sites: 6, nodes: 2, seed: 5 }
  const [delays, again, other] = [planetLabDelays(size), planetLabDelays(size), planetLabDelays({ ...size, seed: 6 })]
  const pairs = Array.from({ length: 9 }, (_, a) => Array.from({ length: a }, (_, b) => [a, b] as const)).flat()
  const all = pairs.map(([a, b]) => delays(a, b))
  expect(pairs.map(([a, b]) => again(b, a))).toEqual(all)
  expect(pairs.map(([a, b]) => other(a, b))).not.toEqual(all)
  expect(Math.min(...all)).toBeGreaterThan(0)
  expect(Math.max(...all)).toBeLessThanOrEqual(200)
})
