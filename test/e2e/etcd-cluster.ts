/**
 * A real etcd of a few members on loopback, and a gate before each of them, which a test shuts to cut its clients off: what
 * is sent then goes nowhere, as when a line is cut, and nothing is refused.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { findLoopbackPorts } from '../../packages/cli/src/demo/loopback-port.ts'
import { eventually } from './eventually.ts'

/**
 * Why etcd cannot be tried here, and what to do about it; `undefined` if it can. In CI as root it could be installed: then
 * this throws, lest the tests go missing without anybody noticing.
 */
export function etcdMissing(): string | undefined {
  if (spawnSync('etcd', ['--version']).status === 0) return undefined
  const reason = 'etcd is not installed; on Debian: apt-get install etcd-server'
  if (process.env['CI'] === 'true' && process.getuid?.() === 0) throw new Error(reason)
  return reason
}

const COPIES = 'copies'

interface Member {
  readonly name: string
  readonly client: string
  readonly peer: string
  readonly gate: Gate
  process: ChildProcess | undefined
}

export class EtcdCluster implements AsyncDisposable {
  readonly #directory: string = mkdtempSync(join(tmpdir(), 'cw-etcd-'))
  readonly #members: Member[] = []

  static async start(size: number): Promise<EtcdCluster> {
    const cluster = new EtcdCluster()
    const ports = await findLoopbackPorts(3 * size)
    for (let index = 0; index < size; index++) {
      const [client = 0, peer = 0, gate = 0] = ports.slice(3 * index)
      cluster.#members.push({
        name: `m${index}`,
        client: `http://127.0.0.1:${client}`,
        peer: `http://127.0.0.1:${peer}`,
        gate: await Gate.open(gate, client),
        process: undefined,
      })
    }
    for (const index of cluster.#members.keys()) cluster.launch(index)
    await cluster.answers()
    return cluster
  }

  /** Of the members themselves. */
  get endpoints(): readonly string[] {
    return this.#members.map(({ client }) => client)
  }

  /** Of the gates before them. */
  get gatedEndpoints(): readonly string[] {
    return this.#members.map(({ gate }) => `http://127.0.0.1:${gate.port}`)
  }

  gate(index: number): Gate {
    return this.#member(index).gate
  }

  /** Starts a member, the first time or again. */
  launch(index: number): void {
    const member = this.#member(index)
    const cluster = this.#members.map(({ name, peer }) => `${name}=${peer}`).join(',')
    member.process = spawn(
      'etcd',
      [
        ...['--name', member.name, '--data-dir', join(this.#directory, member.name)],
        ...['--listen-client-urls', member.client, '--advertise-client-urls', member.client],
        ...['--listen-peer-urls', member.peer, '--initial-advertise-peer-urls', member.peer],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new', '--log-level', 'error'],
      ],
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    )
  }

  /** As if its power had failed. */
  async kill(index: number): Promise<void> {
    const member = this.#member(index)
    const child = member.process
    if (!child || child.exitCode !== null) return
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    child.kill('SIGKILL')
    await ended
    member.process = undefined
  }

  /** Keeps the disks as they are now. */
  async copyDisks(): Promise<void> {
    await this.#stopped((name) => cpSync(join(this.#directory, name), join(this.#directory, COPIES, name), { recursive: true }))
  }

  /** Puts the disks back as they were copied; without a copy, empty ones in their place. */
  async loseDisks(): Promise<void> {
    await this.#stopped((name) => {
      const [disk, copy] = [join(this.#directory, name), join(this.#directory, COPIES, name)]
      rmSync(disk, { recursive: true })
      if (existsSync(copy)) cpSync(copy, disk, { recursive: true })
    })
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.#member(index).process?.kill(signal)
  }

  /** The member that leads. */
  async leader(): Promise<number> {
    return eventually('etcd has a leader', async () => {
      for (const [index, { client, process: child }] of this.#members.entries()) {
        if (!child) continue
        const response = await fetch(`${client}/v3/maintenance/status`, { method: 'POST', body: '{}', signal: AbortSignal.timeout(1_000) })
        const status = (await response.json()) as { header: { member_id: string }; leader?: string }
        if (status.leader === status.header.member_id) return [index]
      }
      return undefined
    }).then(([index = 0]) => index)
  }

  /** Waits until the members that run take writes. */
  async answers(): Promise<void> {
    await eventually(
      'etcd takes writes',
      async () => {
        const at = this.#members.find(({ process: child }) => child !== undefined)?.client ?? ''
        const body = JSON.stringify({ key: 'YQ==', value: 'YQ==' })
        const { ok } = await fetch(`${at}/v3/kv/put`, { method: 'POST', body, signal: AbortSignal.timeout(1_000) })
        return ok
      },
      60_000,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ gate }, index) => {
        await this.kill(index)
        await gate.close()
      }),
    )
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** Does it with each disk while no member runs. */
  async #stopped(what: (name: string) => void): Promise<void> {
    for (const index of this.#members.keys()) await this.kill(index)
    for (const { name } of this.#members) what(name)
    for (const index of this.#members.keys()) this.launch(index)
    await this.answers()
  }

  #member(index: number): Member {
    const member = this.#members[index]
    if (!member) throw new Error(`there is no member ${index}`)
    return member
  }
}

export class Gate {
  readonly port: number
  /** Nothing comes through, and nobody is told. */
  shut = false
  /** What is sent to the member comes in pieces of so many bytes, as from a client that is slow. */
  pieceBytes = Infinity
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async open(port: number, to: number): Promise<Gate> {
    const gate = new Gate(port, to)
    await new Promise<void>((done) => gate.#server.listen(port, '127.0.0.1', done))
    return gate
  }

  private constructor(port: number, to: number) {
    this.port = port
    this.#server = createServer((near) => {
      const far = connect(to, '127.0.0.1')
      for (const [from, into] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.setNoDelay(true)
        // One after the other: what comes next must not overtake the pieces of what came before.
        let passed = Promise.resolve()
        from.on('data', (chunk) => {
          if (this.shut) return
          const bytes = from === near ? this.pieceBytes : Infinity
          passed = passed.then(() => inPieces(chunk, bytes, into))
        })
        from.on('error', () => undefined)
        from.on('close', () => {
          this.#sockets.delete(from)
          if (!this.shut) into.destroy()
        })
      }
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((done) => this.#server.close(done))
  }
}

async function inPieces(chunk: Buffer, bytes: number, into: Socket): Promise<void> {
  for (let at = 0; at < chunk.length; at += bytes) {
    if (at > 0) await setTimeout(5)
    into.write(chunk.subarray(at, at + bytes))
  }
}
