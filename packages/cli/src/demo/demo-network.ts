/**
 * The demo's network: its directory, credentials and configs, one process per node, and the emulated links between
 * them. Nodes of a site see each other directly; everything else goes through the emulator.
 *
 * Each node dials every hub at a port of its own, because a delay belongs to a pair of places.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createNetwork, issueCredential } from '@causeway/daemon'
import { CausewayError } from '@causeway/protocol'
import { stringify } from 'yaml'
import { Emulator, type Pair } from './emulator.ts'
import type { LinkSpec } from './emulated-link.ts'
import { ReservedPorts } from './loopback-port.ts'
import { NodeProcess } from './node-process.ts'
import type { DemoNodeSpec, Topology } from './topology.ts'

/** Node processes that start at the same time: more would only wait for each other on a small machine. */
const STARTS_AT_ONCE = 3
const READY_MS_MAX = 40_000
/** A link that failed comes back slowly, by design: it has to prove itself first. */
const WHOLE_MS_MAX = 15_000

/** Hubs tell where they are, for who loses them. Here only emulated lines lead to them. */
const NOWHERE = '127.0.0.1:1'

export class DemoNetwork {
  readonly topology: Topology
  readonly directory: string
  readonly emulator: Emulator = new Emulator()
  readonly #guardian: ChildProcess
  #nodes: ReadonlyMap<string, NodeProcess> = new Map()
  #closed = false
  /** The nodes' ports, each held until its node starts. */
  #reserved: ReservedPorts | undefined
  #ports: ReadonlyMap<string, number> = new Map()

  constructor(topology: Topology) {
    this.topology = topology
    this.directory = mkdtempSync(join(tmpdir(), 'causeway-demo-'))
    const guardian = fileURLToPath(new URL(`./guardian${extname(import.meta.url)}`, import.meta.url))
    this.#guardian = spawn(process.execPath, [guardian], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#guardian.stdin?.on('error', () => undefined)
    if (!keepsDirectory()) this.#tellGuardian(`directory ${this.directory}`)
  }

  get nodes(): readonly NodeProcess[] {
    return [...this.#nodes.values()]
  }

  node(name: string): NodeProcess {
    const node = this.#nodes.get(name)
    if (!node) throw new Error(`the demo has no node ${name}`)
    return node
  }

  nodesOf(site: string): readonly NodeProcess[] {
    return this.nodes.filter(({ spec }) => spec.site === site)
  }

  /** Writes everything down and starts all nodes; returns when each has the links it should have. */
  async start(progress: (done: number, what: string) => void): Promise<void> {
    await this.#writeDown()
    if (this.#closed) return
    const waiting = [...this.nodes]
    let up = 0
    const startSome = async (): Promise<void> => {
      for (let node = waiting.shift(); node; node = waiting.shift()) {
        await this.#reserved?.release(this.#ports.get(node.name) ?? 0)
        await node.start()
        progress(++up, 'started')
      }
    }
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startSome))
    let linked = 0
    await Promise.all(
      this.nodes.map(async (node) => {
        await this.linked(node)
        progress(++linked, 'linked')
      }),
    )
  }

  /** Waits until a node reaches what it should: hubs each other, an edge node a hub. */
  async linked(node: NodeProcess): Promise<void> {
    const hubs = this.topology.hubs.length
    const ready =
      node.spec.role === 'hub'
        ? await node.when(({ links }) => links >= hubs - 1, READY_MS_MAX)
        : await node.when(({ cutOff, gateway, links }) => !cutOff && gateway !== null && links > 0, READY_MS_MAX)
    if (ready) return
    throw new CausewayError(
      'timeout',
      `node ${node.name} found no way to a hub in ${READY_MS_MAX / 1000} s`,
      'give the machine more room, or ask for fewer nodes',
    )
  }

  /** Waits until all uplinks are up, so that a scene does not see what the one before has left; not for ever. */
  async whole(): Promise<void> {
    const edges = this.nodes.filter(({ spec }) => spec.role === 'edge')
    await Promise.all(
      edges.map((node) => node.when(({ cutOff, uplinks }) => !cutOff && uplinks.every(({ state }) => state === 'up'), WHOLE_MS_MAX)),
    )
  }

  /** All emulated links of a site. */
  pairsOf(site: string): readonly Pair[] {
    return this.nodesOf(site).flatMap(({ name }) => this.topology.hubs.map((hub): Pair => [name, hub.name]))
  }

  /** Heals whatever is cut. */
  async healAll(): Promise<void> {
    const { hubs, sites } = this.topology
    const between = hubs.flatMap(({ name }) => hubs.map((other): Pair => [name, other.name]))
    await this.emulator.heal([...sites.flatMap((site) => this.pairsOf(site)), ...between])
  }

  /** Bytes that have crossed the links between each site and the hubs, both ways. */
  async siteBytes(): Promise<Readonly<Record<string, number>>> {
    const bytes: Record<string, number> = Object.fromEntries(this.topology.sites.map((site) => [site, 0]))
    for (const { from, forwardBytes, backwardBytes } of await this.emulator.traffic()) {
      const { site, role } = this.node(from).spec
      if (role === 'edge') bytes[site] = (bytes[site] ?? 0) + forwardBytes + backwardBytes
    }
    return bytes
  }

  /** Ends every process and removes the directory; safe to call at any time, and more than once. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.nodes.map((node) => node.retire()))
    await this.emulator.stop()
    await this.#reserved?.releaseAll()
    if (!keepsDirectory()) rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    this.#guardian.stdin?.end()
  }

  #tellGuardian(line: string): void {
    this.#guardian.stdin?.write(`${line}\n`)
  }

  async #writeDown(): Promise<void> {
    const { nodes } = this.topology
    const reserved = await ReservedPorts.reserve(nodes.length)
    const found = reserved.ports
    this.#reserved = reserved
    const ports = new Map(nodes.map(({ name }, index) => [name, found[index] ?? 0]))
    this.#ports = ports
    const links = this.#linkSpecs(ports)
    const opened = await this.emulator.open(links)
    const authority = join(this.directory, 'net')
    createNetwork(authority, 'demo')

    const keeper = {
      started: (pid: number) => this.#tellGuardian(`watch ${pid}`),
      ended: (pid: number) => this.#tellGuardian(`forget ${pid}`),
    }
    const processes = new Map<string, NodeProcess>()
    for (const spec of nodes) {
      const node = await NodeProcess.prepare(this.directory, spec, keeper)
      const credential = join(this.directory, `${spec.name}.cred`)
      const write = spec.role === 'edge' ? ['config/**'] : []
      issueCredential(authority, { ...spec, region: 'demo', write, expires: '1d', out: credential })
      const hubs = links.flatMap(({ from }, index) => (from === spec.name ? [`127.0.0.1:${opened[index]}`] : []))
      writeFileSync(node.configPath, stringify(this.#config(spec, credential, node.api, hubs, ports)))
      processes.set(spec.name, node)
    }
    this.#nodes = processes
  }

  /** From every node to every hub but itself. */
  #linkSpecs(ports: ReadonlyMap<string, number>): readonly LinkSpec[] {
    const { nodes, hubs, delayMs } = this.topology
    return nodes.flatMap(({ name, site }) =>
      hubs
        .filter((hub) => hub.name !== name)
        .map((hub) => ({ from: name, to: hub.name, targetPort: ports.get(hub.name) ?? 0, delayMs: delayMs(site, hub.site) })),
    )
  }

  #config(spec: DemoNodeSpec, credential: string, api: string, hubs: readonly string[], ports: ReadonlyMap<string, number>): object {
    const address = `127.0.0.1:${ports.get(spec.name)}`
    const neighbours = this.topology.nodes.filter(({ name, site }) => site === spec.site && name !== spec.name)
    return {
      role: spec.role,
      credential,
      dataDir: join(this.directory, `${spec.name}.data`),
      // A socket of its own would go round the emulated line: its port is told in the handshake.
      listen: { tcp: address, udp: address, stream: null },
      ...(spec.role === 'hub' && { announce: [NOWHERE] }),
      api: { socket: api },
      hubs,
      peers: neighbours.map(({ name }) => `127.0.0.1:${ports.get(name)}`),
      state: { interest: ['config/**', 'notes/**'] },
    }
  }
}

/** With `CAUSEWAY_DEBUG` the logs stay, for who looks for a fault. */
function keepsDirectory(): boolean {
  return Boolean(process.env['CAUSEWAY_DEBUG'])
}
