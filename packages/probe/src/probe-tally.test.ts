import fc from 'fast-check'
import { type Instant, after, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { ProbeTally } from './probe-tally.ts'

const T0 = instant(10_000)
const at = (ms: number): Instant => after(T0, ms)

function tallyOf(flows = 1): ProbeTally {
  return new ProbeTally({ target: 'x', timeoutMs: 1_000, flows })
}

/** Packet `index` came back, and was the reflector's number `reflectorSequence`. */
function numbered(index: number, reflectorSequence: number) {
  return { index, numbers: { sequence: index, reflectorSequence } }
}

describe('ProbeTally', () => {
  it('has measured nothing at first', () => {
    const report = tallyOf().report(T0)
    expect(report).toMatchObject({ sent: 0, received: 0, lost: { total: 0, forward: null, backward: null } })
    expect(report.lossRatio).toEqual({ total: null, forward: null, backward: null })
    expect([report.rttMs.p50, report.jitterMs.rfc3550, report.oneWayMs, report.clockOffsetMs]).toEqual([null, null, null, null])
  })

  it('takes the time the far end held a packet out of the round trip', () => {
    const tally = tallyOf()
    for (const ms of [0, 100]) tally.packetSent(at(ms))
    tally.answered(at(30), { index: 0, residenceMs: 10, numbers: null })
    expect(tally.report(at(30)).rttMs.last).toBe(20)
    tally.answered(at(140), { index: 1, residenceMs: 5_000, numbers: null })
    expect(tally.report(at(140)).rttMs).toMatchObject({ last: 40, min: 20, avg: 30, p50: 20, max: 40, stddev: 10 })
    expect(tally.report(at(140)).jitterMs).toEqual({ rfc3550: 20 / 16, p95MinusP50: 20 })
  })

  it('tells the ways of loss apart, with the ratios of each', () => {
    const tally = tallyOf()
    for (let i = 0; i < 6; i++) tally.packetSent(at(i * 10))
    // 1 never got there, 3 did not come back; 5 is after the last answer.
    for (const [index, reflected] of [
      [0, 0],
      [2, 1],
      [4, 3],
    ] as const) {
      tally.answered(at(60), numbered(index, reflected))
    }
    expect(tally.report(at(60)).lost).toEqual({ total: 0, forward: 0, backward: 0 })
    const report = tally.report(at(2_000))
    expect(report.lost).toEqual({ total: 3, forward: 1, backward: 1 })
    expect(report.lossRatio).toEqual({ total: 0.5, forward: 1 / 5, backward: 1 / 4 })
  })

  it('counts late, repeated, overtaken and foreign answers as what they are', () => {
    const tally = tallyOf()
    for (let i = 0; i < 4; i++) tally.packetSent(at(0))
    tally.answered(at(10), numbered(1, 1))
    tally.answered(at(20), numbered(0, 0))
    tally.answered(at(20), numbered(0, 0))
    tally.answered(at(1_500), numbered(2, 2))
    expect(tally.answered(at(1_500), numbered(99, 3))).toBe('unknown')
    const report = tally.report(at(1_500))
    expect(report).toMatchObject({ sent: 4, received: 2, reordered: 1, duplicated: 1, late: 1 })
    // The late one is lost, but neither way lost it.
    expect(report.lost).toEqual({ total: 2, forward: 0, backward: 0 })
  })

  it('shows what failed and why, once something is lost', () => {
    const tally = tallyOf()
    tally.complain('refused')
    expect(tally.report(T0).fault).toBeNull()
    tally.failed(tally.packetSent(at(0)), 'no route')
    expect(tally.report(at(0))).toMatchObject({ lost: { total: 1, forward: null, backward: null }, fault: 'no route' })
    expect(tally.recent).toEqual([{ rttMs: null }])
  })

  it('forgets what is out when it is broken off (3)', () => {
    const tally = tallyOf()
    for (const ms of [0, 10]) tally.packetSent(at(ms))
    tally.answered(at(15), { index: 0, numbers: null })
    tally.breakOff()
    expect(tally.report(at(5_000))).toMatchObject({ sent: 1, received: 1, lost: { total: 0 } })
    expect(tally.recent).toEqual([{ rttMs: 15 }])
  })

  it('keeps order, jitter and ways of each source port apart', () => {
    const tally = tallyOf(2)
    for (let i = 0; i < 6; i++) tally.packetSent(at(0), i % 2)
    // The way of the second port is slower throughout: neither jitter nor overtaking.
    for (let i = 0; i < 3; i++) tally.answered(at(10), { flow: 0, ...numbered(i, i) })
    for (let i = 0; i < 3; i += 2) tally.answered(at(90), { flow: 1, ...numbered(i, i / 2) })
    const report = tally.report(at(3_000))
    expect(report).toMatchObject({ sent: 6, received: 5, reordered: 0, lost: { total: 1, forward: 1, backward: 0 } })
    expect(report.jitterMs.rfc3550).toBe(0)
  })

  it('knows at any time what became of every packet (1)', () => {
    const event = fc.oneof(
      fc.record({ type: fc.constant('send' as const) }),
      fc.record({ type: fc.constant('answer' as const), index: fc.nat(40) }),
      fc.record({ type: fc.constant('wait' as const), ms: fc.nat(800) }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const tally = tallyOf()
        let now = T0
        for (const each of events) {
          if (each.type === 'send') tally.packetSent(now)
          else if (each.type === 'answer') tally.answered(now, numbered(each.index, each.index))
          else now = after(now, each.ms)
          const { sent, received, lost, late } = tally.report(now)
          expect(received + (lost.total ?? 0) + tally.waiting).toBe(sent)
          expect((lost.forward ?? 0) + (lost.backward ?? 0) + late).toBeLessThanOrEqual(lost.total ?? 0)
        }
      }),
    )
  })
})
