/** Hosts in a row, a – h1 – … – b: how a lab of them is written, and how the carriers find each other in it. */
import type { Lab } from '../../netlab/lab.ts'

export const RELAYS = [0, 1, 2] as const

/** Each link by `settings`, as the lab writes them. */
export function lineOf(relays: number, settings: string): string[] {
  const hosts = hostsOf(relays)
  return hosts.slice(1).map((host, index) => `link ${hosts[index]} ${host} ${settings}`)
}

export function hostsOf(relays: number): string[] {
  return ['a', ...Array.from({ length: relays }, (_, index) => `h${index + 1}`), 'b']
}

/** Of each hub, where it listens for what comes from a, and where that goes on to. */
export function stagesOf(lab: Lab): { readonly hub: string; readonly at: string; readonly next: string }[] {
  const hosts = hostsOf(lab.hosts.length - 2)
  return hosts.slice(1, -1).map((hub, index) => {
    const [before, after] = [hosts[index], hosts[index + 2]] as [string, string]
    return { hub, at: lab.address(hub, before), next: lab.address(after, hub) }
  })
}

/** Where `a` dials to, and where `b` listens. */
export function endsOf(lab: Lab): { readonly dial: string; readonly listen: string } {
  const hosts = hostsOf(lab.hosts.length - 2)
  const [second, last] = [hosts[1], hosts.at(-2)] as [string, string]
  return { dial: lab.address(second, 'a'), listen: lab.address('b', last) }
}
