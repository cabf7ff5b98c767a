import { expect, test } from 'vitest'
import { proxyHeader } from './proxy-header.ts'

/** Bytes as in section 2.2 of the specification. */
const SIGNATURE = '0d0a0d0a000d0a515549540a'

function hex(from: string | null, to: string | null, [fromPort, toPort] = [0xc000, 0x1b59]): string {
  return proxyHeader(
    from === null ? null : { host: from, port: fromPort ?? 0 },
    to === null ? null : { host: to, port: toPort ?? 0 },
  ).toString('hex')
}

test('a connection over IPv4', () => {
  expect(hex('192.0.2.1', '127.0.0.1')).toBe(`${SIGNATURE}2111000cc00002017f000001c0001b59`)
})

test('a connection over IPv6', () => {
  expect(hex('2001:db8::1', '::1')).toBe(`${SIGNATURE}2121002420010db800000000000000000000000100000000000000000000000000000001c0001b59`)
  expect(hex('1:2:3:4:5:6:7:8', '::')).toContain('00010002000300040005000600070008')
})

test('an IPv4 address in the clothes of IPv6 is one of IPv4', () => {
  expect(hex('::ffff:192.0.2.1', '::ffff:127.0.0.1')).toBe(hex('192.0.2.1', '127.0.0.1'))
})

test('what is not known is said to be', () => {
  const local = `${SIGNATURE}20000000`
  expect(hex(null, '127.0.0.1')).toBe(local)
  expect(hex('127.0.0.1', null)).toBe(local)
  expect(hex('127.0.0.1', '::1')).toBe(local)
  expect(hex('localhost', '127.0.0.1')).toBe(local)
})
