/** Where the nodes of the same site can dial this one, as far as the machine knows: what it listens on. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import { type HostPort, formatHostPort } from './host-port.ts'

/** Machines with containers have many interfaces; somebody who dials tries all of these at once. */
const ADDRESSES_MAX = 8

/** `announced` come first. A port that the system chooses is not known in advance: then there is nothing to tell. */
export function nearbyAddresses(
  listen: HostPort,
  announced: readonly string[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string[] {
  const hosts = listen.port === 0 ? [] : isWildcard(listen.host) ? hostsOf(listen.host, interfaces) : [listen.host]
  const own = hosts.map((host) => formatHostPort({ host, port: listen.port }))
  return [...new Set([...announced, ...own])].slice(0, ADDRESSES_MAX)
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
