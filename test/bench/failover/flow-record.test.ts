import { expect, test } from 'vitest'
import { FlowRecord } from './flow-record.ts'

/** One message each 10 ms from 0 on, of which those that `delayOf` gives a delay come, in the order of their arrival. */
function recordOf(count: number, delayOf: (sequence: number) => number | readonly number[] | null): FlowRecord {
  const record = new FlowRecord()
  const sentAt = Array.from({ length: count }, (_, sequence) => 10 * sequence)
  record.addSent({ sentAt: Float64Array.from(sentAt) })
  const arrivals = sentAt.flatMap((at, sequence) =>
    [delayOf(sequence) ?? []].flat().map((delay) => ({ sequence, at, arrived: at + delay })),
  )
  arrivals.sort((a, b) => a.arrived - b.arrived)
  record.addArrivals({
    sequences: Float64Array.from(arrivals, ({ sequence }) => sequence),
    arrivalSentAt: Float64Array.from(arrivals, ({ at }) => at),
    arrivedAt: Float64Array.from(arrivals, ({ arrived }) => arrived),
  })
  return record
}

const window = { faultAt: 2000, endAt: 4000 }

test('a flow without a fault has the gap of its pace', () => {
  const figures = recordOf(500, () => 20).figures(window)
  expect(figures).toEqual({ gapMs: 10, rttMs: 40, sent: 210, lost: 0, duplicated: 0, reordered: 0 })
})

test('what was in flight at the fault and vanished belongs to the gap', () => {
  const figures = recordOf(500, (sequence) => (sequence >= 199 && sequence < 220 ? null : 20)).figures(window)
  expect(figures).toMatchObject({ gapMs: 220, lost: 21 })
})

test('what comes late, even after the window, is not lost', () => {
  const figures = recordOf(500, (sequence) => (sequence >= 200 && sequence < 387 ? 3890 - 10 * sequence : 20)).figures(window)
  expect(figures).toMatchObject({ lost: 0, reordered: 0 })
  expect(figures.gapMs).toBe(1880)
  expect(recordOf(500, (sequence) => (sequence === 395 ? 900 : 20)).figures(window).lost).toBe(0)
})

test('a flow that never recovers is silent to the end', () => {
  expect(recordOf(500, (sequence) => (sequence < 200 ? 20 : null)).figures(window)).toMatchObject({ gapMs: 1990, lost: 200 })
})

test('messages that come twice and such that were overtaken are told apart', () => {
  const figures = recordOf(500, (sequence) => (sequence === 250 ? [20, 55] : sequence === 300 ? 45 : 20)).figures(window)
  expect(figures).toMatchObject({ lost: 0, duplicated: 1, reordered: 1 })
})
