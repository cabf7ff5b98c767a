/**
 * The header that tells a server behind a forward whose connection it really is: PROXY protocol, version 2, without
 * extensions (HAProxy, "The PROXY protocol", section 2.2). Big-endian:
 *
 *     0    12    signature
 *     12   u8    0x21: version 2, PROXY; 0x20: version 2, LOCAL (nothing is known)
 *     13   u8    0x11: TCP over IPv4; 0x21: TCP over IPv6; 0x00: unspecified
 *     14   u16   length of the rest: 12, 36 or 0
 *     16   …     address of the client, address it connected to: 4 or 16 bytes each
 *     …    u16   their ports, in the same order
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { HostPort } from '../host-port.ts'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const MAPPED_V4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** `from` connected to `to`, IP addresses both; what is not known, or no pair, makes a header of type LOCAL. */
export function proxyHeader(from: HostPort | null, to: HostPort | null): Buffer {
  const source = from && addressBytes(from.host)
  const destination = to && addressBytes(to.host)
  if (!source || !destination || source.length !== destination.length) return header(0x20, 0x00, Buffer.alloc(0))
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(from.port, 0)
  ports.writeUInt16BE(to.port, 2)
  return header(0x21, source.length === 4 ? 0x11 : 0x21, Buffer.concat([source, destination, ports]))
}

function header(command: number, family: number, rest: Buffer): Buffer {
  const head = Buffer.from([command, family, 0, 0])
  head.writeUInt16BE(rest.length, 2)
  return Buffer.concat([SIGNATURE, head, rest])
}

function addressBytes(host: string): Buffer | undefined {
  const four = MAPPED_V4.exec(host)?.[1] ?? host
  if (isIPv4(four)) return Buffer.from(four.split('.').map(Number))
  if (!isIPv6(host)) return undefined
  // A URL writes any form of the address as groups of hexadecimal digits, the longest run of zeros left out.
  const [before = '', after] = new URL(`http://[${host.replace(/%.*$/, '')}]`).hostname.slice(1, -1).split('::')
  const [head, tail] = [groups(before), groups(after ?? '')]
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0)
  return Buffer.from([...head, ...zeros, ...tail].flatMap((group) => [group >> 8, group & 0xff]))
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
