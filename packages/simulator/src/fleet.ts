/**
 * A whole network in one call: hubs and sites put on the map of measured round trips, with credentials, addresses and
 * machines. The nodes of a site share a row of the map and a LAN; between rows it is half the measured round trip.
 */
import { LIMITS, type Limits, type Role, invariant } from '@causeway/protocol'
import { Hub } from '@causeway/hub'
import { type AllocatorPlace, EdgeNode, type NodeConfig, type NodeMachine, type SessionCodec } from '@causeway/node'
import { placeNodes, planetlab, type RttMatrix } from './planetlab.ts'
import { SIMULATED_AUTHORITY, simulatorCredential, simulatorCrypto, simulatorKeyPair } from './simulated-crypto.ts'
import type { Host } from './simulated-network.ts'
import type { StoreOptions } from './simulated-store.ts'
import { PERFECT_WIRE, type WireConditions } from './wire.ts'
import { World } from './world.ts'

export interface FleetOptions {
  readonly seed: number
  readonly hubs: number
  readonly sites: number
  readonly nodesPerSite: number
  /** Hubs a node holds links with. @default 4 */
  readonly uplinks?: number
  /** Nodes of a site that dial hubs; the others reach them through these. @default all */
  readonly gatewaysPerSite?: number
  /** The nodes of a site have each other's addresses in their config. @default true */
  readonly introduced?: boolean
  /** What everybody's replica is interested in besides its own site. @default ['config/**'] */
  readonly interest?: readonly string[]
  /** What edges may write besides the partitions of their own site. @default nothing */
  readonly write?: readonly string[]
  /** Hubs of which nodes have the address in their config; they are to learn of the others. @default all, and nothing is learned */
  readonly hubsNamed?: number
  /** Edges cannot be dialled from outside their site. @default false */
  readonly nat?: boolean
  /** So many sites can be dialled by nodes of others, the first ones. @default 0 */
  readonly sitesReachable?: number
  /** Conditions between machine rooms, besides the delay of the map. */
  readonly wide?: Partial<Omit<WireConditions, 'delayMs'>>
  readonly matrix?: RttMatrix
  readonly limits?: Limits
  /** How their disks are. */
  readonly store?: StoreOptions
  /** Who grants tasks. @default nobody */
  readonly allocator?: AllocatorPlace
  /** What packs state sessions. @default they are not packed */
  readonly sessionCodec?: () => SessionCodec
}

export interface FleetNode {
  readonly name: string
  readonly role: Role
  readonly site: string
  readonly address: string
  /** Its row on the map. */
  readonly row: number
  /** Nodes of other sites are told that they may dial it. */
  readonly reachable: boolean
  readonly interest: readonly string[]
}

export interface Fleet {
  readonly world: World<NodeMachine>
  readonly hubs: readonly FleetNode[]
  readonly edges: readonly FleetNode[]
  /** Names of the nodes of each site. */
  readonly sites: ReadonlyMap<string, readonly string[]>
}

/** One way through the switch of a machine room. */
const LAN_DELAY_MS = 0.1
/** A measured line spreads by some hundredths of its delay when it is quiet. */
const WIDE_JITTER_RATIO = 0.02

export function makeFleet(options: FleetOptions): Fleet {
  const matrix = options.matrix ?? planetlab()
  const rows = new Map<string, number>()
  const world = new World<NodeMachine>(options.seed, {
    laneQueueBytesMax: (options.limits ?? LIMITS).laneQueueBytesMax,
    conditions: (from, to) => conditionsBetween(options, matrix, rows, from, to),
  })
  const placement = placeNodes(matrix, world.fork(), options)
  const hubs = placement.hubs.map((row, index) => hubNode(row, index + 1))
  const edges = placement.sites.flatMap((row, index) =>
    Array.from({ length: options.nodesPerSite }, (_, node) => edgeNode(options, row, index + 1, node)),
  )
  for (const node of [...hubs, ...edges]) rows.set(node.address, node.row)
  const sites = Map.groupBy(edges, ({ site }) => site)
  for (const hub of hubs) addNode(world, options, hub, hubs, [])
  for (const edge of edges) {
    const site = sites.get(edge.site) ?? []
    addNode(world, options, edge, site.indexOf(edge) < (options.gatewaysPerSite ?? site.length) ? hubs : [], site)
  }
  return { world, hubs, edges, sites: new Map([...sites].map(([site, nodes]) => [site, nodes.map(({ name }) => name)])) }
}

function hubNode(row: number, number: number): FleetNode {
  return {
    name: `core-${number}`,
    role: 'hub',
    site: `core-${number}`,
    address: `10.0.${number}.1:7400`,
    row,
    reachable: false,
    interest: ['**'],
  }
}

function edgeNode(options: FleetOptions, row: number, number: number, node: number): FleetNode {
  const site = `site-${number}`
  const letter = String.fromCharCode('a'.charCodeAt(0) + node)
  const address = `10.${1 + (number >> 8)}.${number & 0xff}.${1 + node}:7400`
  const reachable = number <= (options.sitesReachable ?? 0)
  const interest = [...(options.interest ?? ['config/**']), `*/${site}`]
  return { name: `${site}-${letter}`, role: 'edge', site, address, row, reachable, interest }
}

function conditionsBetween(
  options: FleetOptions,
  matrix: RttMatrix,
  rows: ReadonlyMap<string, number>,
  from: Host,
  to: Host,
): WireConditions {
  const [a, b] = [rows.get(from.address), rows.get(to.address)]
  invariant(a !== undefined && b !== undefined, 'a host is not on the map')
  if (a === b) return { ...PERFECT_WIRE, delayMs: LAN_DELAY_MS }
  const delayMs = (matrix.rttMs(a, b) ?? 200) / 2
  return { ...PERFECT_WIRE, delayMs, jitterMs: delayMs * WIDE_JITTER_RATIO, ...options.wide }
}

function addNode(
  world: World<NodeMachine>,
  options: FleetOptions,
  node: FleetNode,
  hubs: readonly FleetNode[],
  site: readonly FleetNode[],
): void {
  const keys = simulatorKeyPair(node.name)
  const addressesOf = (nodes: readonly FleetNode[]): string[] => nodes.filter((other) => other !== node).map(({ address }) => address)
  const config: NodeConfig = {
    credential: simulatorCredential({
      ...{ name: node.name, site: node.site, role: node.role },
      write: node.role === 'hub' ? ['**'] : [`*/${node.site}`, ...(options.write ?? [])],
    }),
    authorityKey: SIMULATED_AUTHORITY.publicKey,
    hubs: addressesOf(hubs.slice(0, options.hubsNamed)),
    peers: options.introduced === false ? [] : addressesOf(site),
    uplinks: options.uplinks ?? 4,
    announce: [],
    reachable: node.reachable ? [node.address] : [],
    ...((node.role === 'edge' ? !options.nat : options.hubsNamed !== undefined) && { nearby: [node.address] }),
    interest: [...node.interest, ...(options.hubsNamed === undefined ? [] : ['hubs/*'])],
    limits: options.limits ?? LIMITS,
    version: 'simulated',
    ...(options.allocator && { allocator: options.allocator }),
  }
  const Machine = node.role === 'hub' ? Hub : EdgeNode
  world.add({
    name: node.name,
    address: node.address,
    key: keys.publicKey,
    listens: node.role === 'hub' || !options.nat,
    ...(options.store && { store: options.store }),
    start: ({ stored, ...boot }) => {
      const environment = { ...boot, crypto: simulatorCrypto(boot.random, keys) }
      return new Machine(config, options.sessionCodec ? { ...environment, sessionCodec: options.sessionCodec } : environment, stored)
    },
  })
}
