/** Where others can dial this node, as far as the machine knows: what it listens on. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { BlockList, isIP } from 'node:net'
import { type HostPort, formatHostPort, parseHostPort } from './host-port.ts'

/** Machines with containers have many interfaces; somebody who dials tries all of these at once. */
const ADDRESSES_MAX = 8

/** What means another machine, or none, in another machine room (the special-purpose address registries of RFC 6890). */
const LOCAL = new BlockList()
const LOCAL_NETS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
]
for (const net of LOCAL_NETS) {
  const [address = '', bits] = net.split('/')
  LOCAL.addSubnet(address, Number(bits), 'ipv4')
}
/** What is handed out of IPv6 so far, for use by all. */
const GLOBAL = new BlockList()
GLOBAL.addSubnet('2000::', 3, 'ipv6')

/** Nodes of the same site. `announced` come first. A port that the system chooses is not known in advance: then there is nothing to tell. */
export function nearbyAddresses(
  listen: HostPort,
  announced: readonly string[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string[] {
  const hosts = listen.port === 0 ? [] : isWildcard(listen.host) ? hostsOf(listen.host, interfaces) : [listen.host]
  const own = hosts.map((host) => formatHostPort({ host, port: listen.port }))
  return [...new Set([...announced, ...own])].slice(0, ADDRESSES_MAX)
}

/** Nodes of other sites, in networks of their own: what is announced, or else those of `nearby` that mean the same everywhere. */
export function reachableAddresses(nearby: readonly string[], announced: readonly string[]): readonly string[] {
  return announced.length > 0 ? announced : nearby.filter((address) => isGlobal(parseHostPort(address)?.host ?? ''))
}

function isGlobal(host: string): boolean {
  return isIP(host) === 4 ? !LOCAL.check(host) : isIP(host) === 6 && GLOBAL.check(host, 'ipv6')
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Not those that hold only on one machine, or only together with the name of an interface. */
function hostsOf(wildcard: string, interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): string[] {
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .filter(({ address }) => isIP(address) === 4 || isIP(wildcard) === 6)
    .map(({ address }) => address)
}
