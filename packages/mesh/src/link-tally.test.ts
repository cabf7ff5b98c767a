import { expect, test } from 'vitest'
import { DelayBuckets } from '@causeway/probe'
import type { WayMetrics } from '@causeway/protocol'
import { LinkTally, type WayCounts } from './link-tally.ts'

/** As a monitor counts: so many probes, all answered, each after `rttMs`. */
function way(probes: number, rttMs: number): WayMetrics {
  const buckets = new DelayBuckets()
  for (let probe = 0; probe < probes; probe++) buckets.add(rttMs)
  return { sent: probes, received: probes, duplicated: 1, reordered: 2, stray: 3, rtt: buckets.snapshot() }
}

function counts(probes: number, rttMs: number): WayCounts {
  return { udp: way(probes, rttMs), control: way(0, 0) }
}

test('a new connection adds to what the earlier ones counted', () => {
  const tally = new LinkTally()
  expect(tally.ways(undefined)).toEqual({})
  expect(tally.ways(counts(3, 1))).toEqual(counts(3, 1))
  tally.retire(counts(3, 1))
  tally.retire(counts(2, 40))
  const { udp } = tally.ways(counts(1, 60_000))
  expect(udp).toMatchObject({ sent: 6, received: 6, duplicated: 3, reordered: 6, stray: 9 })
  expect(udp?.rtt).toMatchObject({ count: 6, sumMs: 3 * 1 + 2 * 40 + 60_000 })
  expect(udp?.rtt.counts.filter((count) => count > 0)).toEqual([3, 2, 1])
  expect(udp?.rtt.counts.at(-1)).toBe(1)
})

test('what was counted stays while there is no connection', () => {
  const tally = new LinkTally()
  tally.retire(counts(3, 1))
  expect(tally.ways(undefined)).toEqual(counts(3, 1))
})

test('only changes of state are transitions', () => {
  const tally = new LinkTally()
  for (const state of ['down', 'probing', 'probing', 'up', 'degraded', 'up', 'down', 'down'] as const) tally.observe(state)
  expect(tally.transitions).toEqual({ probing: 1, up: 2, degraded: 1, down: 1 })
})
