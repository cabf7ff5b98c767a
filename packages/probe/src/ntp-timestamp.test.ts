import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeErrorEstimate, encodeErrorEstimate, readTimestamp, writeNtpTimestamp } from './ntp-timestamp.ts'

function written(wallMs: number): string {
  const bytes = new Uint8Array(8)
  writeNtpTimestamp(new DataView(bytes.buffer), 0, wallMs)
  return Buffer.from(bytes).toString('hex')
}

function read(hex: string, format: 'ntp' | 'ptp'): number | undefined {
  return readTimestamp(new DataView(Uint8Array.from(Buffer.from(hex, 'hex')).buffer), 0, format)
}

describe('NTP timestamps (RFC 5905, 6)', () => {
  it.each([
    [0, '83aa7e8000000000'],
    [500, '83aa7e8080000000'],
    [Date.UTC(2026, 0, 1), 'ed00378000000000'],
    // The first second of era 1.
    [Date.UTC(2036, 1, 7, 6, 28, 16), '0000000000000000'],
  ])('%d ms is %s', (wallMs, hex) => {
    expect(written(wallMs)).toBe(hex)
    expect(read(hex, 'ntp')).toBe(wallMs)
  })

  it('keep a time to the resolution of a double', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: Date.UTC(2100, 0), noNaN: true }), (wallMs) => {
        expect(Math.abs((read(written(wallMs), 'ntp') ?? 0) - wallMs)).toBeLessThan(0.001)
      }),
    )
  })
})

describe('truncated PTP timestamps (RFC 8186)', () => {
  it('count nanoseconds', () => expect(read('00000001000f4240', 'ptp')).toBe(1001))
  it('have no more than 10⁹ of them', () => expect(read('000000013b9aca00', 'ptp')).toBeUndefined())
})

describe('error estimate (RFC 4656, 4.1.2)', () => {
  it.each([
    ['a millisecond, not synchronised', { synchronised: false, format: 'ntp', errorMs: 0.9765625 }, 0x0f80],
    ['a quarter of a second, synchronised', { synchronised: true, format: 'ntp', errorMs: 250 }, 0x9780],
    ['no error at all is the least there is', { synchronised: true, format: 'ptp', errorMs: 0 }, 0xc001],
  ] as const)('%s', (_title, claim, bits) => {
    expect(encodeErrorEstimate(claim).toString(16)).toBe(bits.toString(16))
  })

  it('is never below the error, and never more than a hundredth above', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e6, noNaN: true }), fc.boolean(), (errorMs, synchronised) => {
        const claim = decodeErrorEstimate(encodeErrorEstimate({ synchronised, format: 'ntp', errorMs }))
        expect(claim).toMatchObject({ synchronised, format: 'ntp' })
        expect(claim.errorMs).toBeGreaterThanOrEqual(errorMs)
        expect(claim.errorMs).toBeLessThanOrEqual(errorMs * 1.01)
      }),
    )
  })

  it('with a multiplier of 0 says nothing', () => {
    expect(decodeErrorEstimate(0x9600)).toEqual({ synchronised: false, format: 'ntp', errorMs: Number.POSITIVE_INFINITY })
  })
})
