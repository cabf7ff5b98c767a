/**
 * One node of the demo: a separate `causeway run`, its log in a file, its API on a socket.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Causeway, connect } from '@causeway/client'
import { CausewayError, type StatusView } from '@causeway/protocol'
import type { DemoNodeSpec } from './topology.ts'

const MAIN = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))
const START_MS_MAX = 30_000
const STOP_MS_MAX = 4000
const START_ATTEMPTS = 4
const RESTART_PAUSE_MS = 500
const POLL_MS = 60

export interface ProcessKeeper {
  readonly started: (pid: number) => void
  readonly ended: (pid: number) => void
}

export class NodeProcess {
  readonly spec: DemoNodeSpec
  readonly configPath: string
  readonly api: string
  readonly client: Causeway
  readonly #logPath: string
  readonly #keeper: ProcessKeeper
  #child: ChildProcess | undefined
  #retired = false

  static async prepare(directory: string, spec: DemoNodeSpec, keeper: ProcessKeeper): Promise<NodeProcess> {
    const client = await connect({ api: join(directory, `${spec.name}.sock`) })
    return new NodeProcess(directory, spec, keeper, client)
  }

  private constructor(directory: string, spec: DemoNodeSpec, keeper: ProcessKeeper, client: Causeway) {
    this.spec = spec
    this.configPath = join(directory, `${spec.name}.yaml`)
    this.api = client.api
    this.client = client
    this.#logPath = join(directory, `${spec.name}.log`)
    this.#keeper = keeper
  }

  get name(): string {
    return this.spec.name
  }

  /** Returns when the API answers. Tries again: another demo that draws ports may have held this one for a moment. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#spawn()
      if (await this.#answers()) return
      await this.kill()
      if (attempt === START_ATTEMPTS) {
        const remedy = 'run again with CAUSEWAY_DEBUG=1 to keep its directory and logs'
        throw new CausewayError('refused', `node ${this.name} did not start: ${this.#lastWords()}`, remedy)
      }
      await sleep(RESTART_PAUSE_MS)
    }
  }

  /** As if the power had failed. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** In good order; the hard way for who takes too long. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Stops it for good: a start that is under way comes to nothing. */
  async retire(): Promise<void> {
    this.#retired = true
    await this.stop()
  }

  /** Asks the node until what it says of itself satisfies `condition`; `undefined` after `withinMs`. */
  async when(condition: (status: StatusView) => boolean, withinMs: number): Promise<StatusView | undefined> {
    const until = performance.now() + withinMs
    while (performance.now() < until && this.#runs()) {
      const status = await this.client.status().catch(() => undefined)
      if (status && condition(status)) return status
      await sleep(POLL_MS)
    }
    return undefined
  }

  #spawn(): void {
    if (this.#retired) throw new Error(`node ${this.name} was told to stop`)
    const log = openSync(this.#logPath, 'a')
    // A group of its own: Ctrl-C is for the demo, which stops the nodes in good order.
    const args = [MAIN, 'run', '--config', this.configPath]
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    const { pid } = child
    if (pid !== undefined) {
      this.#keeper.started(pid)
      child.once('exit', () => this.#keeper.ended(pid))
    }
    child.on('error', () => undefined)
    this.#child = child
  }

  async #answers(): Promise<boolean> {
    return (await this.when(() => true, START_MS_MAX)) !== undefined
  }

  #runs(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (!child || !this.#runs()) return
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(timer)
  }

  #lastWords(): string {
    return readFileSync(this.#logPath, 'utf8').trimEnd().split('\n').at(-1)?.slice(0, 300) || 'it said nothing'
  }
}
