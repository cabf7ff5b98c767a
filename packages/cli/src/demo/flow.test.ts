import type { PingReply } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { flowFigures, flowHeld, flowLine } from './flow.ts'

/** Answers as the far end stamps them: every 10 ms, but for `gapMs` before number 200. */
function answers(count: number, gapMs: number): PingReply[] {
  return Array.from({ length: count }, (_, sequence) => ({
    sequence,
    rttMs: 100,
    path: ['b'],
    remoteMs: 5000 + sequence * 10 + (sequence >= 200 ? gapMs : 0),
    remoteCount: sequence + 1,
    sentAt: 0,
    remoteAt: null,
    arrivedAt: 0,
  }))
}

const figuresOf = (replies: PingReply[], sent: number) =>
  flowFigures({ replies, sent, fault: undefined }, 190, { pathBefore: ['h1', 'b'], pathAfter: ['h2', 'b'], detourMs: 40 })

test('the gap is taken at the far end, the round trip from before the fault', () => {
  const figures = figuresOf(answers(700, 240), 700)
  expect(figures).toMatchObject({ sent: 700, lost: 0, duplicated: 0, reordered: 0, gapMs: 250, rttMs: 100, fault: null })
  expect(flowHeld(figures)).toBe(true)
  expect(flowLine(figures)).toContain('longest gap 250 ms (2.5 round trips of 100 ms, the new path is 40.0 ms longer); of 700: 0 lost')
})

test.each([
  ['a message is lost', answers(700, 240).filter(({ sequence }) => sequence !== 300)],
  ['the last ones never came', answers(650, 240)],
  ['a message came twice', [...answers(700, 0), ...answers(1, 0)]],
  ['the far end had one twice', answers(700, 0).map((reply) => ({ ...reply, remoteCount: reply.remoteCount + 1 }))],
  ['two changed places', answers(700, 0).toSorted((a, b) => (a.sequence ^ 1) - (b.sequence ^ 1))],
  ['the gap is a second', answers(700, 1000)],
  ['nothing came at all', []],
])('it did not hold if %s', (_what, replies) => {
  expect(flowHeld(figuresOf(replies, 700))).toBe(false)
})

test('a gap that has not ended is not measured', () => {
  expect(figuresOf(answers(250, 0), 700).gapMs).toBeNull()
})
