import { describe, expect, test } from 'vitest'
import { type Bench, type Measured, judge } from './bench.ts'
import { renderPlot } from './report-plot.ts'
import { renderPart } from './report-table.ts'
import { type PartRun, documentOf, hasHeld } from './report.ts'

const measured: Measured = {
  columns: [
    { key: 'cell', head: 'CELL' },
    { key: 'rttMs', head: 'RTT ms', digits: 1 },
  ],
  rows: [
    { cell: 'near', rttMs: 20.123456789 },
    { cell: 'far', rttMs: null },
  ],
  judgements: [judge('near', 20.1, 25, 'ms'), judge('far', null, 25, 'ms')],
  notes: ['on a toy'],
  charts: [{ title: 'Round trips', unit: 'ms', categories: ['near', 'far'], bars: [{ name: 'p50', values: [20, null] }], marks: [] }],
}
const run = (result: PartRun['result']): PartRun => ({ part: 'toy', what: 'a toy', seconds: 1.23, result })
const bench: Bench = { name: 'toy', what: 'a toy', flags: {}, parts: [] }

describe('a report', () => {
  test('a bound is held by what was measured and does not exceed it', () => {
    expect([judge('', 25, 25, ''), judge('', 25.1, 25, ''), judge('', null, 25, '')].map(({ held }) => held)).toEqual([true, false, false])
  })

  test('a part that was skipped breaks nothing, one that failed does', () => {
    const fine = { ...measured, judgements: [judge('near', 1, 2, 'ms')] }
    expect(hasHeld([run({ outcome: 'measured', measured: fine }), run({ outcome: 'skipped', why: 'no root' })])).toBe(true)
    expect(hasHeld([run({ outcome: 'failed', why: 'it broke' })])).toBe(false)
    expect(hasHeld([run({ outcome: 'measured', measured })])).toBe(false)
  })

  test('the document says why figures are missing and keeps what was not measured as null', () => {
    const parts = [run({ outcome: 'measured', measured }), run({ outcome: 'skipped', why: 'no root' })]
    const document = documentOf({ bench, startedAt: 0, loadAverage: 0, quick: true, settings: {}, parts })
    expect(document).toMatchObject({ bench: 'toy', startedAt: '1970-01-01T00:00:00.000Z', quick: true, held: false })
    expect(document.parts[0]?.rows).toEqual([
      { cell: 'near', rttMs: 20.1235 },
      { cell: 'far', rttMs: null },
    ])
    expect(document.parts[1]).toMatchObject({ skipped: 'no root', rows: [] })
  })

  test('people see a dash for what was not measured, broken bounds first, and why a part did not run', () => {
    const text = renderPart(run({ outcome: 'measured', measured }))
    expect(text.split('\n').map((line) => line.trim().replace(/ +/g, ' '))).toEqual([
      'toy: a toy (1 s)',
      'CELL RTT ms',
      'near 20.1',
      'far -',
      'BROKEN far: not measured, at most 25 ms',
      'held near: 20.1 ms, at most 25 ms',
      'note: on a toy',
    ])
    expect(renderPart(run({ outcome: 'skipped', why: 'no root' }))).toContain('skipped: no root')
  })

  test('the plot is an SVG with a bar for what was measured', () => {
    const svg = renderPlot('toy', measured.charts)
    expect(svg).toMatch(/^<svg [^]*<\/svg>$/)
    expect(svg).toContain('Round trips')
    expect(svg.match(/#3b6fb6/g)?.length).toBeGreaterThan(0)
  })
})
