/**
 * A whole fleet on loopback: hubs as processes of their own, which can be killed and started again, and gateways as whole nodes
 * of sites of their own, many to a process, because five hundred runtimes are more than one machine has memory for.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Causeway, connect } from '@causeway/client'
import { issueCredential } from '@causeway/daemon'
import { Deployment } from '../../e2e/deployment.ts'
import { cpuSecondsOfProcess } from '../throughput/cpu-time.ts'
import type { GatewaysAnswer, GatewaysOrder, Sighting } from './gateways-talk.ts'

const PROCESS = fileURLToPath(new URL('./gateways-process.ts', import.meta.url))
const NETWORK = 'fleet'

export interface FleetSize {
  readonly gateways: number
  readonly hubs: number
  readonly uplinks: number
  /** Processes that the gateways are spread over. */
  readonly processes: number
}

export class FleetLab implements AsyncDisposable {
  readonly hubs: readonly string[]
  readonly #lab = new Deployment()
  readonly #size: FleetSize
  readonly #crews: GatewaysProcess[] = []
  readonly #up = new Set<string>()
  readonly #clients = new Map<string, Causeway>()

  constructor(size: FleetSize) {
    this.#size = size
    this.hubs = Array.from({ length: size.hubs }, (_, index) => `core-${index + 1}`)
  }

  /** Hubs run, gateways are about to. */
  async prepare(): Promise<void> {
    const hubs = this.hubs.map((name) => ({ name, role: 'hub', site: name, hubs: this.hubs.filter((other) => other !== name) }) as const)
    await this.#lab.prepare(NETWORK, hubs)
    for (const name of this.hubs) {
      await this.restart(name)
      this.#clients.set(name, await connect({ api: this.#lab.path(`${name}.sock`) }))
    }
    const { gateways, processes } = this.#size
    const configs = Array.from({ length: gateways }, (_, index) => this.#configure(`edge-${index + 1}`))
    const share = Math.ceil(gateways / processes)
    for (let at = 0; at < gateways; at += share) {
      this.#crews.push(await GatewaysProcess.start(configs.slice(at, at + share), this.#lab.path(`gateways-${at}.log`)))
    }
  }

  #configure(name: string): string {
    const out = this.#lab.path(`${name}.cred`)
    issueCredential(this.#lab.path(NETWORK), { name, site: name, region: 'lab', role: 'edge', out })
    mkdirSync(this.#lab.path(`${name}.data`))
    return this.#lab.write(
      `${name}.yaml`,
      [
        'role: edge',
        `credential: ${out}`,
        `dataDir: ${this.#lab.path(`${name}.data`)}`,
        'listen: {tcp: "127.0.0.1:0", udp: null, stream: null}',
        `api: {socket: ${this.#lab.path(`${name}.sock`)}}`,
        `hubs: ${JSON.stringify(this.hubs.map((hub) => this.#lab.address(hub)))}`,
        `uplinks: ${this.#size.uplinks}`,
        'state: {interest: ["config/**"]}',
        'vitals: {system: false}',
        '',
      ].join('\n'),
    )
  }

  /** All gateways at once; resolves when their nodes run, whoever they have reached. */
  async startGateways(): Promise<void> {
    await Promise.all(this.#crews.map((crew) => crew.begin()))
  }

  /** Links that hubs have with gateways. */
  async links(): Promise<number> {
    const links = await Promise.all([...this.#up].map((hub) => this.#client(hub).links()))
    return links.flat().filter(({ to, state }) => !this.hubs.includes(to) && (state === 'up' || state === 'degraded')).length
  }

  /** Writes a record at a hub; resolves with the time before it was sent, ms since the epoch. */
  async put(hub: string, key: string): Promise<number> {
    const atMs = performance.timeOrigin + performance.now()
    await this.#client(hub).collection('config').put(key, { atMs }, { partition: 'global' })
    return atMs
  }

  /** What gateways have seen since the last time. */
  async take(): Promise<readonly Sighting[]> {
    return (await Promise.all(this.#crews.map((crew) => crew.take()))).flat()
  }

  async kill(hub: string): Promise<void> {
    this.#up.delete(hub)
    await this.#lab.end(hub, 'SIGKILL')
  }

  /** Resolves when it says that it is ready. */
  async restart(hub: string): Promise<void> {
    await this.#lab.start(hub)
    this.#up.add(hub)
  }

  /** Processor seconds and resident megabytes, of a hub now, and of a gateway on average. */
  usage(): { readonly hubs: readonly Usage[]; readonly gateways: Usage } {
    const crews = this.#crews.map(({ pid }) => usageOf(pid))
    const sum = (of: keyof Usage): number => crews.reduce((total, usage) => total + usage[of], 0) / this.#size.gateways
    return {
      hubs: [...this.#up].map((hub) => usageOf(this.#lab.pid(hub))),
      gateways: { cpuSeconds: sum('cpuSeconds'), megabytes: sum('megabytes') },
    }
  }

  #client(hub: string): Causeway {
    const client = this.#clients.get(hub)
    if (!client) throw new Error(`${hub} is no hub of this fleet`)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const crew of this.#crews) crew.kill()
    await this.#lab.close()
  }
}

export interface Usage {
  readonly cpuSeconds: number
  readonly megabytes: number
}

function usageOf(pid: number): Usage {
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return { cpuSeconds: cpuSecondsOfProcess(pid), megabytes: Number(resident) / 1_000 }
}

/** Answers come in the order of the orders. */
class GatewaysProcess {
  readonly pid: number
  readonly #configs: readonly string[]
  readonly #process: ChildProcess
  readonly #waiting: PromiseWithResolvers<GatewaysAnswer>[] = []

  static async start(configs: readonly string[], log: string): Promise<GatewaysProcess> {
    const crew = new GatewaysProcess(configs, log)
    await crew.#answered()
    return crew
  }

  private constructor(configs: readonly string[], logFile: string) {
    const log = openSync(logFile, 'a')
    this.#configs = configs
    this.#process = fork(PROCESS, { stdio: ['ignore', log, log, 'ipc'] })
    closeSync(log)
    this.pid = this.#process.pid ?? Number.NaN
    this.#process.on('message', ({ fault, ...answer }: GatewaysAnswer) => {
      const waiting = this.#waiting.shift()
      if (fault === undefined) waiting?.resolve(answer)
      else waiting?.reject(new Error(fault))
    })
    this.#process.once('exit', (code, signal) => {
      if (signal === 'SIGKILL' && this.#waiting.length === 0) return
      const fault = new Error(`gateways died (${signal ?? code}): ${readFileSync(logFile, 'utf8').slice(-2_000)}`)
      for (const { reject } of this.#waiting.splice(0)) reject(fault)
    })
  }

  async begin(): Promise<void> {
    await this.#ask({ order: 'start', configs: this.#configs })
  }

  async take(): Promise<readonly Sighting[]> {
    return (await this.#ask({ order: 'take' })).seen ?? []
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #ask(order: GatewaysOrder): Promise<GatewaysAnswer> {
    this.#process.send(order)
    return this.#answered()
  }

  #answered(): Promise<GatewaysAnswer> {
    const waiting = Promise.withResolvers<GatewaysAnswer>()
    this.#waiting.push(waiting)
    return waiting.promise
  }
}
