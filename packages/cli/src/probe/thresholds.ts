/**
 * What a measurement must not exceed. A figure that was asked for and could not be measured is a breach: who asks for
 * 5 ms and gets no answer has not got 5 ms.
 */
import type { ProbeReport } from '@causeway/daemon/probing'
import { milliseconds, percent } from '../quantity.ts'

export interface Thresholds {
  readonly maxLoss?: number | undefined
  readonly maxRttP95?: number | undefined
  readonly maxJitter?: number | undefined
}

/** What is wrong with one target, in words; empty if nothing is. */
export function breaches(report: ProbeReport, { maxLoss, maxRttP95, maxJitter }: Thresholds): string[] {
  const { target, fault, lossRatio, rttMs, jitterMs } = report
  if (report.received === 0) return [`${target}: no answer to ${report.sent} packets${fault === null ? '' : ` (${fault})`}`]
  const found: string[] = []
  const check = (name: string, value: number | null, max: number | undefined, show: (value: number) => string): void => {
    if (max === undefined || (value !== null && value <= max)) return
    found.push(`${target}: ${name} ${value === null ? 'could not be measured' : `${show(value)} is above ${show(max)}`}`)
  }
  check('loss', lossRatio.total, maxLoss, percent)
  check('p95 of the round trip', rttMs.p95, maxRttP95, (value) => `${milliseconds(value)} ms`)
  check('jitter', jitterMs.rfc3550, maxJitter, (value) => `${milliseconds(value)} ms`)
  return found
}
