import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '@causeway/protocol'
import { type Report, ReportWriter, readReports, reportBytes } from './datagram-reports.ts'

const report: fc.Arbitrary<Report> = fc.record({
  connection: fc.maxSafeNat(),
  at: fc.double({ min: 0, max: 1e12, noNaN: true }).map((ms) => instant(ms)),
  message: fc.uint8Array({ maxLength: 2_000 }),
})

describe('reports', () => {
  it('come out as they went in, batch after batch', () => {
    const writer = new ReportWriter()
    fc.assert(
      fc.property(fc.array(report, { maxLength: 40 }), (reports) => {
        for (const { connection, at, message } of reports) writer.add(connection, at, message)
        const buffer = writer.take()
        expect(buffer ? [...readReports(buffer)] : []).toEqual(reports)
        expect(buffer?.byteLength ?? 0).toBe(reports.reduce((sum, { message }) => sum + reportBytes(message), 0))
        expect(writer.take()).toBeUndefined()
      }),
    )
  })
})
