/** Reports for people: a line while it goes on, a block of facts at the end. */
import type { ProbeReport } from '@causeway/daemon/probing'
import { duration, milliseconds, percent } from '../quantity.ts'
import { renderFacts } from '../table.ts'

/** One target at one moment, off a terminal. */
export function reportLine(seconds: number, report: ProbeReport): string {
  const { target, sent, lost, lossRatio, rttMs, jitterMs } = report
  return [
    duration(seconds).padStart(6),
    target,
    `sent ${sent}`,
    `lost ${lost.total} (${percent(lossRatio.total)}; ${ways(report)})`,
    `rtt ms last/p50/p95 ${[rttMs.last, rttMs.p50, rttMs.p95].map(milliseconds).join('/')}`,
    `jitter ${milliseconds(jitterMs.rfc3550)} ms`,
  ].join('  ')
}

export function reportSummary(report: ProbeReport): string {
  const { target, sent, received, lost, lossRatio, duplicated, reordered, late, rttMs, jitterMs, oneWayMs, fault } = report
  const { min, avg, p50, p95, p99, max, stddev } = rttMs
  const facts: [string, string][] = [
    ['packets', `${sent} sent, ${received} answered; ${duplicated} twice, ${reordered} out of order, ${late} late`],
    ['lost', `${lost.total} (${percent(lossRatio.total)}); ${ways(report)}`],
    ['rtt ms', `min/avg/p50/p95/p99/max = ${[min, avg, p50, p95, p99, max].map(milliseconds).join('/')}, stddev ${milliseconds(stddev)}`],
    ['jitter ms', `${milliseconds(jitterMs.rfc3550)} (RFC 3550), ${milliseconds(jitterMs.p95MinusP50)} (p95 - p50)`],
    [
      'one way ms',
      oneWayMs === null
        ? 'unknown: not both clocks are known to be synchronised'
        : `forward ${milliseconds(oneWayMs.forward)}, backward ${milliseconds(oneWayMs.backward)}, each ± ${milliseconds(oneWayMs.uncertainty)}`,
    ],
  ]
  if (fault !== null) facts.push(['last fault', fault])
  return `${target}\n${renderFacts(facts).replace(/^/gm, '  ')}`
}

function ways({ lost }: ProbeReport): string {
  if (lost.forward === null || lost.backward === null) return 'which way is unknown'
  return `${lost.forward} forward, ${lost.backward} backward`
}
