import { describe, expect, test } from 'vitest'
import { checkConvergence, checkFaults, checkPings, checkViolations, checkWrites } from './checkers.ts'
import { Fault } from './fault.ts'
import type { PingFlow, WriteRecord } from './observations.ts'

describe('checkers object', () => {
  const flow = (numbers: readonly number[], ended: string | null | undefined, counts = numbers.map((_, index) => index + 1)): PingFlow => ({
    from: 'a',
    to: 'b',
    count: 3,
    startedAt: 0,
    replies: numbers.map((sequence, index) => ({ sequence, remoteCount: counts[index] ?? 0, rttMs: 1, at: index })),
    ended,
  })

  test.each([
    ['a loss', flow([0, 2], null), /number 2.*\n.*2 of 3/],
    ['a repetition', flow([0, 1, 1], null), /carries number 1/],
    ['a wrong order', flow([0, 2, 1], null), /out of order/],
    ['a repetition on the way there', flow([0, 1, 2], null, [1, 3, 4]), /counted 3/],
    ['a flow that hangs', flow([0, 1, 2], undefined), /has not ended/],
    ['a flow that broke', flow([0, 1, 2], 'no path'), /no path/],
  ])('to %s', (_, bad, pattern) => expect(checkPings([bad]).join('\n')).toMatch(pattern))

  test('to replicas that differ, naming both camps', () => {
    const holding = (node: string, contentHash: string) => ({ node, partition: 'tasks/x', contentHash })
    expect(checkConvergence([holding('a', '1'), holding('b', '1'), { node: 'c', partition: 'tasks/y', contentHash: '2' }])).toEqual([])
    expect(checkConvergence([holding('a', '1'), holding('b', '2'), holding('c', '1')])).toEqual([
      'tasks/x has not converged: 1 on a, c; 2 on b',
    ])
  })

  test('to lost or stale acknowledged writes, but not to unacknowledged ones', () => {
    const write = (value: number, acknowledged: boolean): WriteRecord => ({ node: 'w', partition: 'p', key: 'k', value, acknowledged })
    const read = (value: unknown) =>
      checkWrites(
        [write(1, true), write(2, true), write(3, false)],
        () => ['r'],
        () => value,
      )
    expect([read(2), read(3)]).toEqual([[], []])
    expect(read(1)).toHaveLength(1)
    expect(
      checkWrites(
        [write(1, false)],
        () => ['r'],
        () => 1,
      ),
    ).toEqual(['none of 1 writes was acknowledged'])
    expect(read(undefined)[0]).toMatch(/r reads undefined for p\/k, but w was acknowledged 2/)
  })

  test('to faults that hit nothing, and to violations, counted', () => {
    const hit = new Fault('cut', 'cut a | b')
    hit.dropped = 1
    expect(checkFaults([hit, new Fault('cut', 'cut c | d')])).toEqual(['cut c | d hit nothing: the scenario tested less than it says'])
    const [spared, unmet, little] = [new Fault('loss', 'loss a ~ b'), new Fault('loss', 'loss a ~ c'), new Fault('loss', 'loss a ~ d')]
    spared.expected = 8
    little.expected = 2
    expect(checkFaults([spared, unmet, little])).toEqual(['loss a ~ b hit nothing: the scenario tested less than it says'])
    expect(checkViolations(['x', 'y', 'x'])).toEqual(['x (2 times)', 'y'])
  })

  test('and are silent if all is well', () => {
    expect(checkPings([flow([0, 1, 2], null)])).toEqual([])
    expect(
      checkWrites(
        [],
        () => [],
        () => 0,
      ),
    ).toEqual([])
  })
})
