import { type ProbeReport, ProbeTally } from '@causeway/daemon/probing'
import { after, instant } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { liveTable } from './live-table.ts'
import { durationBetween, parseDscp, parseMilliseconds, parsePercent } from './option-parsers.ts'
import { promText } from './prom-text.ts'
import { CSV_HEAD, csvRow, jsonDocument, jsonLine } from './report-document.ts'
import { reportLine, reportSummary } from './report-text.ts'
import { breaches } from './thresholds.ts'

const T0 = instant(0)

/** Four packets a second apart, of which the third is lost on its way back. */
function measured(target = 'stamp://192.0.2.7:862'): ProbeTally {
  const tally = new ProbeTally({ target, timeoutMs: 500 })
  for (const [index, rttMs] of [10, 20, null, 40].entries()) {
    tally.packetSent(after(T0, index * 1000))
    const numbers = { sequence: index, reflectorSequence: index }
    if (rttMs !== null) tally.answered(after(T0, index * 1000 + rttMs), { index, numbers })
  }
  return tally
}

const report = (target?: string): ProbeReport => measured(target).report(after(T0, 4000))
const nothing = new ProbeTally({ target: 'x', timeoutMs: 1 }).report(T0)

test('the live table has a row per target, and no line wider than the terminal', () => {
  const tallies = [measured(), measured('nrt-2-a')]
  const reports = tallies.map((tally) => tally.report(after(T0, 4000)))
  const lines = liveTable(4, tallies, reports, 120).split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[1]).toMatch(/^stamp:\/\/192\.0\.2\.7:862 +4 +1 +25% +0 +1 +40\.0 +20\.0 +40\.0 +1\.\d +▁▃×█$/)
  expect(lines[0]).toMatch(/ROUND TRIPS$/)
  const narrow = liveTable(4, tallies, reports, 95).split('\n').slice(0, -1)
  expect(Math.max(...narrow.map(({ length }) => length))).toBeLessThan(95)
})

test('for people: a line a second, a block at the end, and no number for what was not measured', () => {
  expect(reportLine(4, report())).toBe(
    '    4s  stamp://192.0.2.7:862  sent 4  lost 1 (25%; 0 forward, 1 backward)  rtt ms last/p50/p95 40.0/20.0/40.0  jitter 1.8 ms',
  )
  expect(reportSummary(report())).toContain('rtt ms      min/avg/p50/p95/p99/max = 10.0/23.3/20.0/40.0/40.0/40.0, stddev 12.5')
  expect(reportSummary(nothing)).toContain('lost        0 (-); which way is unknown')
  expect(reportSummary(nothing)).not.toContain('NaN')
})

test('JSON has the names that are promised, and null for what was not measured', () => {
  const { targets } = JSON.parse(jsonDocument([report(), nothing])) as { targets: ProbeReport[] }
  expect(targets[0]).toMatchObject({ target: 'stamp://192.0.2.7:862', sent: 4, received: 3, lost: { total: 1, forward: 0, backward: 1 } })
  expect(Object.keys(targets[0]?.rttMs ?? {})).toEqual(['last', 'min', 'avg', 'p50', 'p95', 'p99', 'max', 'stddev'])
  expect(targets[0]?.rttMs.avg).toBe(23.333333)
  expect(Object.keys(targets[0]?.jitterMs ?? {})).toEqual(['rfc3550', 'p95MinusP50'])
  expect(targets[1]).toMatchObject({ lossRatio: { forward: null, backward: null }, rttMs: { p50: null }, oneWayMs: null })
  expect(JSON.parse(jsonLine({ at: 5, final: true, report: report() }))).toMatchObject({ at: 5, final: true, sent: 4 })
})

test('CSV has a field per heading, quoted where it must be', () => {
  const row = csvRow({ at: 0, final: true, report: { ...nothing, target: 'a,"b"', fault: null } })
  expect(row).toMatch(/^1970-01-01T00:00:00\.000Z,true,"a,""b""",0,0,0,,,,0,/)
  const plain = csvRow({ at: 0, final: false, report: report() })
  expect(plain.split(',')).toHaveLength(CSV_HEAD.split(',').length)
})

test('Prometheus gets seconds and ratios, and no sample of what was not measured', async () => {
  const text = await promText([report(), report('a"b\\')])
  expect(text).toContain('causeway_probe_rtt_seconds{target="stamp://192.0.2.7:862",stat="p95"} 0.04\n')
  expect(text).toContain('causeway_probe_loss_ratio{target="stamp://192.0.2.7:862",way="total"} 0.25\n')
  expect(text).toContain('causeway_probe_sent_packets{target="a\\"b\\\\"} 4\n')
  expect(text).not.toMatch(/^causeway_probe_one_way_seconds\{/m)
  expect(text).not.toMatch(/NaN|null/)
})

test('a threshold is breached by a worse figure, and by one that is not there', () => {
  expect(breaches(report(), { maxLoss: 0.25, maxRttP95: 40, maxJitter: 2 })).toEqual([])
  expect(breaches(report(), { maxLoss: 0.2, maxRttP95: 39.9, maxJitter: 1 })).toEqual([
    'stamp://192.0.2.7:862: loss 25% is above 20%',
    'stamp://192.0.2.7:862: p95 of the round trip 40.0 ms is above 39.9 ms',
    'stamp://192.0.2.7:862: jitter 1.8 ms is above 1.0 ms',
  ])
  expect(breaches(nothing, {})).toEqual(['x: no answer to 0 packets'])
  const single = new ProbeTally({ target: 'y', timeoutMs: 1 })
  single.answered(T0, { index: single.packetSent(T0), rttMs: 1, numbers: null })
  expect(breaches(single.report(T0), { maxRttP95: 5, maxJitter: 5 })).toEqual(['y: jitter could not be measured'])
})

test('options are read as people write them', () => {
  const seconds = durationBetween(0.001, 3600)
  expect(['0.2', '200ms', '.2', '3s', '5m', '1h'].map(seconds)).toEqual([200, 200, 200, 3_000, 300_000, 3_600_000])
  expect(['1', '0.5%', '100'].map(parsePercent)).toEqual([0.01, 0.005, 1])
  expect(['20', '1.5ms'].map(parseMilliseconds)).toEqual([20, 1.5])
  expect(['0', '63', 'EF', 'cs3', 'af41', 'AF13'].map(parseDscp)).toEqual([0, 63, 46, 24, 34, 14])
  for (const bad of ['', '0', '-1', '1x', 'abc', '2h', 'NaN', 'Infinity']) expect(() => seconds(bad), bad).toThrow(/It must be/)
  for (const bad of ['', '101', '-1', '1e3', 'x%']) expect(() => parsePercent(bad), bad).toThrow(/percentage/)
  for (const bad of ['', '-1', '5s']) expect(() => parseMilliseconds(bad), bad).toThrow(/milliseconds/)
  for (const bad of ['', '64', '-1', 'af44', 'af50', 'cs8']) expect(() => parseDscp(bad), bad).toThrow(/0 to 63/)
})
