/**
 * A deployment by hand: a directory with the network's authority, a credential and a config per node, and the nodes
 * as processes, all made through the command line and nothing else.
 *
 * `close` ends every process it has started and removes the directory, however far things had come.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findLoopbackPorts } from '../../packages/cli/src/demo/loopback-port.ts'
import { type Outcome, causeway, mainPath } from './command-line.ts'
import { eventually } from './eventually.ts'

export interface NodeSpec {
  readonly name: string
  readonly role: 'edge' | 'hub'
  readonly site: string
  /** Patterns of the credential beyond its own site. */
  readonly write?: readonly string[]
  /** Names of nodes of this deployment. */
  readonly hubs?: readonly string[]
  readonly peers?: readonly string[]
}

/** What a person would type for one node, and the process that came of it. */
export class Deployment implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cw-e2e-'))
  readonly #ports = new Map<string, number>()
  readonly #running = new Map<string, ChildProcess>()
  readonly #tracers = new Map<string, readonly string[]>()
  readonly #main: string

  /** `main`: the program that is deployed. */
  constructor(main: string = mainPath()) {
    this.#main = main
  }

  /** Runs a command in the directory of the deployment. */
  causeway(...args: readonly string[]): Promise<Outcome> {
    return causeway(args, { cwd: this.directory, main: this.#main })
  }

  /** Runs a command at a node; fails if the command does. */
  async at(node: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.causeway(...args, '--api', `${node}.sock`)
    if (code !== 0) throw new Error(`causeway ${args.join(' ')} at ${node} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** As `at`, with `-o json`. */
  async ask<Answer>(node: string, ...args: readonly string[]): Promise<Answer> {
    return JSON.parse(await this.at(node, ...args, '-o', 'json')) as Answer
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Makes a network (`init`), and in it a credential and a config for each node. */
  async prepare(network: string, nodes: readonly NodeSpec[]): Promise<void> {
    succeeded(await this.causeway('init', network, '--name', network))
    await this.#reservePorts(nodes.map(({ name }) => name))
    for (const node of nodes) {
      const write = (node.write ?? []).flatMap((pattern) => ['--write', pattern])
      const place = ['--role', node.role, '--name', node.name, '--site', node.site, '--region', 'lab']
      succeeded(await this.causeway('issue', network, ...place, ...write, '--out', `${node.name}.cred`))
      this.write(`${node.name}.yaml`, this.config(node))
    }
  }

  /** The config of a node as one writes it by hand. */
  config({ name, role, hubs = [], peers = [] }: NodeSpec): string {
    const addresses = (names: readonly string[]): string => JSON.stringify(names.map((other) => this.address(other)))
    return [
      `role: ${role}`,
      `credential: ./${name}.cred`,
      `dataDir: ./${name}.data`,
      `listen: {tcp: "${this.address(name)}"}`,
      `api: {socket: ./${name}.sock}`,
      `hubs: ${addresses(hubs)}`,
      `peers: ${addresses(peers)}`,
      'state: {interest: ["config/**", "notes/**"]}',
      '',
    ].join('\n')
  }

  address(name: string): string {
    return `127.0.0.1:${this.#ports.get(name)}`
  }

  write(file: string, content: string | Uint8Array): string {
    writeFileSync(this.path(file), content)
    return this.path(file)
  }

  /** Starts a node and waits until it says that it is ready. */
  async start(name: string): Promise<void> {
    const child = this.launch(name)
    const from = this.log(name).length
    await eventually(`${name} is ready`, () => {
      const said = this.log(name).slice(from)
      if (said.includes(`causeway: ${name} is ready`)) return true
      throw new Error(`it ${hasEnded(child) ? 'ended' : 'runs'}, and has said: ${said}`)
    })
  }

  /** From now on the node is started as the arguments of this command, which becomes the node. */
  under(name: string, command: readonly string[]): void {
    this.#tracers.set(name, command)
  }

  /** Starts a node and does not wait. */
  launch(name: string): ChildProcess {
    const log = openSync(this.path(`${name}.log`), 'a')
    const [command, ...words] = [...(this.#tracers.get(name) ?? []), process.execPath, this.#main, 'run', '--config', `${name}.yaml`]
    const child = spawn(command, words, {
      cwd: this.directory,
      env: { ...process.env, CAUSEWAY_DEBUG: '' },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#running.set(name, child)
    return child
  }

  /** Ends a node; resolves with its exit code, `null` if the signal ended it. */
  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#running.get(name)
    if (!child) throw new Error(`${name} does not run`)
    const ended = hasEnded(child) ? Promise.resolve() : new Promise<void>((done) => child.once('exit', () => done()))
    child.kill(signal)
    await ended
    this.#running.delete(name)
    return child.exitCode
  }

  pid(name: string): number {
    return this.#running.get(name)?.pid ?? Number.NaN
  }

  /** All that a node has said so far. */
  log(name: string): string {
    return readFileSync(this.path(`${name}.log`), 'utf8')
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.end(name, 'SIGKILL')))
    rmSync(this.directory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #reservePorts(names: readonly string[]): Promise<void> {
    const ports = await findLoopbackPorts(names.length)
    for (const [index, name] of names.entries()) this.#ports.set(name, ports[index] ?? 0)
  }
}

export function succeeded({ code, stdout, stderr }: Outcome): string {
  if (code !== 0) throw new Error(`the command ended with ${code}: ${stderr}`)
  return stdout
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
