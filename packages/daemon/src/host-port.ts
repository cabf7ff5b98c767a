/** Addresses as people write them: `host:port`, where an IPv6 host stands in brackets: `[::1]:7400`. */
import { BlockList, isIP } from 'node:net'

export interface HostPort {
  /** An IP address or a DNS name, without brackets. */
  readonly host: string
  readonly port: number
}

const FORM = /^(?:\[(?<six>[^\]]+)\]|(?<name>[^:[\]/\s]+)):(?<port>\d{1,5})$/

/** The parts, or `undefined` if the text is no such address. */
export function parseHostPort(text: string): HostPort | undefined {
  const groups = FORM.exec(text)?.groups
  if (!groups) return undefined
  const port = Number(groups['port'])
  const six = groups['six']
  if (port > 65_535 || (six !== undefined && isIP(six) !== 6)) return undefined
  return { host: six ?? groups['name'] ?? '', port }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Of an IP address: only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

export function formatHostPort(address: HostPort): string {
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** An IP address and a port, as one listens on; `undefined` if the text is none. */
export function parseListenAddress(text: string): HostPort | undefined {
  const address = parseHostPort(text)
  return address && isIP(address.host) !== 0 ? address : undefined
}
