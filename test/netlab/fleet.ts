/**
 * Real daemons in a lab, one per host: hosts whose names begin with `h` are hubs, the others are edge nodes, each a site
 * of its own unless it is told otherwise, and every node dials every hub, and every node of its site, that it has a link
 * with. Their APIs are Unix sockets, which are reached from outside, because namespaces share the file system.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Causeway, connect } from '@causeway/client'
import type { EventView, LinkView, PathView } from '@causeway/protocol'
import { causeway, mainPath } from '../e2e/command-line.ts'
import { eventually } from '../e2e/eventually.ts'
import type { Lab } from './lab.ts'

const PORT = 7400

export class Fleet implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cw-fleet-'))
  readonly #lab: Lab
  readonly #siteOf: (host: string) => string
  readonly #settings: object
  readonly #running = new Map<string, ChildProcess>()
  readonly #clients = new Map<string, Causeway>()

  /** `siteOf` names the site of an edge node; `settings` are in the config of every node. */
  constructor(lab: Lab, siteOf: (host: string) => string = (host) => host, settings: object = {}) {
    this.#lab = lab
    this.#siteOf = siteOf
    this.#settings = settings
  }

  /** Makes the network, and starts all nodes. */
  async start(): Promise<void> {
    await this.prepare()
    await Promise.all(this.#lab.hosts.map((host) => this.launch(host)))
  }

  /** Makes the network: credentials and configs. */
  async prepare(): Promise<void> {
    await this.#command('init', 'net', '--name', 'lab')
    for (const host of this.#lab.hosts) {
      const role = isHub(host) ? 'hub' : 'edge'
      const site = this.#siteOf(host)
      const place = ['--role', role, '--name', host, '--site', site, '--region', 'lab', '--write', 'config/**']
      await this.#command('issue', 'net', ...place, '--out', `${host}.cred`)
      const neighbours = this.#lab.neighbours(host)
      const addressOf = (peer: string): string => `${this.#lab.address(peer, host)}:${PORT}`
      const config = {
        role,
        credential: `./${host}.cred`,
        dataDir: `./${host}.data`,
        listen: { tcp: `0.0.0.0:${PORT}`, udp: `0.0.0.0:${PORT}` },
        api: { socket: `./${host}.sock` },
        hubs: neighbours.filter(isHub).map(addressOf),
        peers: neighbours.filter((peer) => !isHub(peer) && this.#siteOf(peer) === site).map(addressOf),
        state: { interest: ['config/**'] },
        ...this.#settings,
      }
      // JSON is YAML.
      writeFileSync(this.configPath(host), JSON.stringify(config))
      this.#clients.set(host, await connect({ api: this.#path(`${host}.sock`) }))
    }
  }

  configPath(host: string): string {
    return this.#path(`${host}.yaml`)
  }

  /** Starts one node, and waits for its API. */
  async launch(host: string): Promise<void> {
    const child = this.#lab.spawn(host, [process.execPath, mainPath(), 'run', '--config', this.configPath(host)], this.#path(`${host}.log`))
    this.#running.set(host, child)
    await eventually(`${host} answers`, () => {
      if (child.exitCode !== null) throw new Error(this.log(host))
      return this.at(host).status()
    })
  }

  /** As if its power had failed. */
  async kill(host: string): Promise<void> {
    const child = this.#running.get(host)
    if (!child) throw new Error(`${host} does not run`)
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    // It may have ended by itself.
    if (child.exitCode === null && child.kill('SIGKILL')) await ended
    this.#running.delete(host)
  }

  /** Sends a signal to the process of a node, such as SIGSTOP. */
  signal(host: string, signal: NodeJS.Signals): void {
    if (!this.#running.get(host)?.kill(signal)) throw new Error(`${host} does not run`)
  }

  at(host: string): Causeway {
    const client = this.#clients.get(host)
    if (!client) throw new Error(`there is no node ${host}`)
    return client
  }

  async link(from: string, to: string): Promise<LinkView | undefined> {
    return (await this.at(from).links()).find((link) => link.to === to)
  }

  /** Waits for a state of the link as `from` sees it; resolves with how long that took, ms. */
  async linkIs(from: string, to: string, state: 'up' | 'down', withinMs: number): Promise<number> {
    const began = performance.now()
    await eventually(`${from}–${to} is ${state}`, async () => (await this.link(from, to))?.state === state, withinMs)
    return performance.now() - began
  }

  /** The path in use from one node to another. */
  async activePath(from: string, to: string): Promise<PathView> {
    const { paths } = await this.at(from).paths(to)
    const path = paths.find(({ active }) => active) ?? paths[0]
    if (!path) throw new Error(`${from} knows no path to ${to}`)
    return path
  }

  /** What the node has reported since a time of the wall clock. */
  async events(host: string, sinceMs: number): Promise<EventView[]> {
    const events: EventView[] = []
    for await (const event of this.at(host).events({ follow: false })) if (event.at >= sinceMs) events.push(event)
    return events
  }

  log(host: string): string {
    return readFileSync(this.#path(`${host}.log`), 'utf8')
  }

  /** Ends all nodes. With `CAUSEWAY_DEBUG` set, their directory stays. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((host) => this.kill(host)))
    if (!process.env['CAUSEWAY_DEBUG']) rmSync(this.directory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #path(name: string): string {
    return join(this.directory, name)
  }

  async #command(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await causeway(args, { cwd: this.directory })
    if (code !== 0) throw new Error(`causeway ${args.join(' ')}: ${stderr}`)
  }
}

function isHub(host: string): boolean {
  return host.startsWith('h')
}
