/**
 * Who there is and how far apart: hubs, sites with their nodes, and one-way delays between their places.
 */
export interface DemoNodeSpec {
  readonly name: string
  readonly site: string
  readonly role: 'edge' | 'hub'
}

export interface Topology {
  readonly hubs: readonly DemoNodeSpec[]
  readonly sites: readonly string[]
  /** All nodes, hubs first. */
  readonly nodes: readonly DemoNodeSpec[]
  /** Between two places (a site, or a hub by its name), one way. */
  readonly delayMs: (a: string, b: string) => number
}

export interface TopologySize {
  readonly hubs: number
  readonly sites: number
  readonly nodes: number
  readonly seed: number
}

/** One-way delay in milliseconds of the places with these indices; hubs come first. */
export type DelayTable = (a: number, b: number) => number

export function planTopology(size: TopologySize, table: DelayTable): Topology {
  const hubs = numbered('core', size.hubs).map((name): DemoNodeSpec => ({ name, site: name, role: 'hub' }))
  const sites = numbered('site', size.sites)
  const places = new Map([...hubs.map(({ name }) => name), ...sites].map((place, index) => [place, index]))
  const members = sites.flatMap((site) => nodesOf(site, size.nodes))
  return {
    hubs,
    sites,
    nodes: [...hubs, ...members],
    delayMs: (a, b) => (a === b ? 0 : table(places.get(a) ?? 0, places.get(b) ?? 0)),
  }
}

/** The least delay from one place to another over one or two hubs: what no overlay on these hubs can beat. */
export function pathDelayMs({ hubs, delayMs }: Topology, from: string, to: string): number {
  if (from === to) return 0
  const delays = hubs.flatMap(({ name: first }) =>
    hubs.map(({ name: second }) => delayMs(from, first) + delayMs(first, second) + delayMs(second, to)),
  )
  return Math.min(...delays)
}

/** How long a route takes one way: from the place of `from` through the named nodes. */
export function routeDelayMs({ nodes, delayMs }: Topology, from: string, hops: readonly string[]): number {
  const places = [from, ...hops].map((name) => nodes.find((node) => node.name === name)?.site ?? name)
  return places.slice(1).reduce((sum, place, index) => sum + delayMs(places[index] ?? place, place), 0)
}

function numbered(stem: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${stem}-${index + 1}`)
}

function nodesOf(site: string, count: number): readonly DemoNodeSpec[] {
  return Array.from({ length: count }, (_, index) => ({ name: `${site}-${String.fromCharCode(97 + index)}`, site, role: 'edge' }))
}
