/**
 * Where the flow goes from a to b. In the first topology every path has one hub, in the second two, so that there is a
 * middle to cut. Hubs are all 5 ms apart.
 *
 *     a ── 10 ms ── h1 ── 10 ms ── b        a ── 10 ms ── h1 ─┬─ h4 ── 10 ms ── b
 *     a ── 15 ms ── h2 ── 15 ms ── b                          ╳
 *     a ── 20 ms ── h3 ── 20 ms ── b        a ── 15 ms ── h2 ─┴─ h5 ── 15 ms ── b
 *
 * In the third, a and b are members of sites of three: each has two neighbours, which have the links to the hubs of the first.
 */
export interface Topology {
  readonly name: 'one hub' | 'two hubs' | 'sites'
  readonly links: readonly (readonly [string, string])[]
}

const DELAYS_MS: Readonly<Record<string, number>> = { h1: 10, h2: 15, h3: 20, h4: 10, h5: 15 }
const HUBS_MS = 5

export const ONE_HUB: Topology = {
  name: 'one hub',
  links: [...['h1', 'h2', 'h3'].flatMap((hub) => [['a', hub] as const, ['b', hub] as const]), ...meshOf(['h1', 'h2', 'h3'])],
}

export const TWO_HUBS: Topology = {
  name: 'two hubs',
  links: [['a', 'h1'], ['a', 'h2'], ['b', 'h4'], ['b', 'h5'], ...meshOf(['h1', 'h2', 'h4', 'h5'])],
}

export const SITES: Topology = {
  name: 'sites',
  links: [
    ...['a', 'b'].flatMap((end) => meshOf([end, `${end}1`, `${end}2`])),
    ...['a1', 'a2', 'b1', 'b2'].flatMap((gateway) => ['h1', 'h2', 'h3'].map((hub) => [gateway, hub] as const)),
    ...meshOf(['h1', 'h2', 'h3']),
  ],
}

function meshOf(hosts: readonly string[]): (readonly [string, string])[] {
  return hosts.flatMap((host, index) => hosts.slice(index + 1).map((other) => [host, other] as const))
}

/** Where the flow begins or ends. */
export function isEnd(host: string): boolean {
  return host === 'a' || host === 'b'
}

export function isHub(host: string): boolean {
  return host.startsWith('h')
}

/** One way, ms: also what a routing protocol is told as the cost of a link. */
export function delayBetween(x: string, y: string): number {
  if (isHub(x) && isHub(y)) return HUBS_MS
  return DELAYS_MS[isHub(x) ? x : y] ?? 0
}

export function linesOf({ links }: Topology): string[] {
  return links.map(([x, y]) => `link ${x} ${y} delay=${delayBetween(x, y)}`)
}
