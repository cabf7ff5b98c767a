/**
 * A network of namespaces for a test: hosts joined by links that can be delayed, thinned and cut without a word, on
 * the kernel's real TCP and UDP. See README.md here.
 *
 * A `lab.py hold` builds it and takes it down when our end of its standard input closes, which happens also when this
 * process is killed. Orders go straight to delayd, which carries them out within a tenth of a millisecond.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { type Socket, createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const LAB = join(import.meta.dirname, 'lab.py')
const TUN = '/dev/net/tun'
/** What must be there: how to ask for it, and the Debian packages that bring it. */
const TOOLS: readonly { readonly ask: readonly [string, ...string[]]; readonly input?: string; readonly packages: string }[] = [
  { ask: ['ip', '-V'], packages: 'iproute2' },
  { ask: ['python3', '--version'], packages: 'python3' },
  { ask: ['gcc', '-E', '-'], input: '#include <stdio.h>\n#include <linux/if_tun.h>\n', packages: 'gcc libc6-dev' },
]

export interface LinkSettings {
  /** One way, ms. */
  readonly delay?: number
  readonly jitter?: number
  /** Per cent. */
  readonly loss?: number
  /** Mbit/s; 0 is without a limit. */
  readonly rate?: number
  /** 1: UDP vanishes and all else passes. */
  readonly noudp?: 0 | 1
  /** Bytes of an IP packet: longer ones vanish, and nobody is told. 0: none do. */
  readonly mtu?: number
  /** Per cent that come twice. */
  readonly dup?: number
  /** 1: jitter lets frames overtake each other. */
  readonly reorder?: 0 | 1
}

export interface UdpFrames {
  readonly given: number
  /** With all headers from Ethernet's up. */
  readonly bytes: number
  readonly lost: number
}

interface Description {
  readonly dir: string
  /** Host → the name of its namespace. */
  readonly namespaces: Readonly<Record<string, string>>
  /** `X:Y` → X's address on its link with Y. */
  readonly addresses: Readonly<Record<string, string>>
}

/**
 * Why no lab can be built here, and what to do about it, in one sentence; `undefined` if one can. In CI, as root, a tool
 * that could be installed must be: then this throws, lest the tests go missing without anybody noticing.
 */
export function labMissing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux; run these tests on one'
  if (process.getuid?.() !== 0) return 'network namespaces need root; run the tests as root'
  const packages = TOOLS.flatMap(({ ask: [tool, ...words], input = '', packages }) =>
    spawnSync(tool, words, { input }).status === 0 ? [] : [packages],
  )
  if (packages.length > 0) {
    const reason = `the network lab needs tools that are not installed; on Debian: apt-get install ${packages.join(' ')}`
    if (process.env['CI'] === 'true') throw new Error(reason)
    return reason
  }
  if (!canOpen(TUN)) return `${TUN} cannot be opened; load it with "modprobe tun", or give it to this container`
  const trial = labName()
  if (spawnSync('ip', ['netns', 'add', trial]).status !== 0) return 'no network namespace can be made here; run the container privileged'
  spawnSync('ip', ['netns', 'del', trial])
  return undefined
}

function canOpen(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    closeSync(openSync(path, 'r+'))
    return true
  } catch {
    return false
  }
}

function labName(): string {
  return `cw-${process.pid}-${randomBytes(3).toString('hex')}`
}

export class Lab implements AsyncDisposable {
  readonly #holder: ChildProcess
  readonly #description: Description
  readonly #orders: Socket
  #answer = ''
  /** Settles the order that is under way; delayd answers them one by one. */
  #settle: ((answer: string) => void) | undefined
  #queue: Promise<unknown> = Promise.resolve()

  /**
   * Builds a lab from lines `link X Y [key=value …]`, with the keys of `LinkSettings`. A line `link X Y veth` makes a pair
   * that the kernel joins: as fast as it can, and out of the reach of faults.
   */
  static async up(links: readonly string[]): Promise<Lab> {
    const holder = spawn('python3', [LAB, '-n', labName(), 'hold'], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    let complaint = ''
    holder.stderr.on('data', (data: Buffer) => (complaint += data.toString()))
    holder.stdin.on('error', () => undefined)
    holder.stdin.write(`${links.join('\n')}\n\n`)
    const line = await new Promise<string>((resolve, reject) => {
      createInterface(holder.stdout).once('line', resolve)
      holder.once('error', reject)
      holder.once('close', () => reject(new Error(`the lab could not be built: ${complaint.trim()}`)))
    })
    const description = JSON.parse(line) as Description
    const orders = createConnection(join(description.dir, 'ctl'))
    await new Promise<void>((resolve, reject) => orders.once('connect', resolve).once('error', reject))
    return new Lab(holder, description, orders)
  }

  private constructor(holder: ChildProcess, description: Description, orders: Socket) {
    this.#holder = holder
    this.#description = description
    this.#orders = orders
    orders.on('data', (data: Buffer) => {
      this.#answer += data.toString()
      if (this.#answer.endsWith('.\n')) this.#settle?.(this.#answer)
    })
    orders.on('close', () => this.#settle?.('err delayd is gone\n.\n'))
    orders.on('error', () => undefined)
  }

  get hosts(): readonly string[] {
    return Object.keys(this.#description.namespaces)
  }

  /** The hosts that `host` has a link with. */
  neighbours(host: string): readonly string[] {
    return this.hosts.filter((other) => `${host}:${other}` in this.#description.addresses)
  }

  /** The IPv4 address of `host` on its link with `peer`. */
  address(host: string, peer: string): string {
    const address = this.#description.addresses[`${host}:${peer}`]
    if (address === undefined) throw new Error(`there is no link between ${host} and ${peer}`)
    return address
  }

  /** A process inside a host, its output to `outputFile` (appended). It dies with the lab at the latest. */
  spawn(host: string, command: readonly string[], outputFile: string): ChildProcess {
    const out = openSync(outputFile, 'a')
    try {
      // `ip netns exec` becomes the command: the child's id is the process's own.
      return spawn('ip', ['netns', 'exec', this.#namespace(host), ...command], { stdio: ['ignore', out, out] })
    } finally {
      closeSync(out)
    }
  }

  /** The same of a Node.js program with a channel for messages to and from it. */
  fork(host: string, script: string, args: readonly string[], outputFile: string): ChildProcess {
    const out = openSync(outputFile, 'a')
    const command = ['netns', 'exec', this.#namespace(host), process.execPath, script, ...args]
    try {
      return spawn('ip', command, { stdio: ['ignore', out, out, 'ipc'], serialization: 'advanced' })
    } finally {
      closeSync(out)
    }
  }

  /** The processes that live in a host. */
  processes(host: string): readonly number[] {
    const { stdout } = spawnSync('ip', ['netns', 'pids', this.#namespace(host)], { encoding: 'utf8' })
    return stdout.split('\n').filter(Boolean).map(Number)
  }

  /** Runs a command inside a host to its end. */
  exec(host: string, command: readonly string[]): { readonly code: number | null; readonly output: string } {
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', this.#namespace(host), ...command], { encoding: 'utf8' })
    return { code: status, output: stdout + stderr }
  }

  /** What a command inside a host prints; rejects if it fails. */
  async ask(host: string, command: readonly string[]): Promise<string> {
    return (await promisify(execFile)('ip', ['netns', 'exec', this.#namespace(host), ...command])).stdout
  }

  /** Silently: frames vanish. `a-h1` both ways, `a:h1` from a to h1 only, `all`. */
  async cut(link: string): Promise<void> {
    await this.#order(`cut ${link}`)
  }

  async heal(link: string): Promise<void> {
    await this.#order(`heal ${link}`)
  }

  async set(link: string, settings: LinkSettings): Promise<void> {
    const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
    await this.#order(['set', link, ...words].join(' '))
  }

  /** How many frames a link has swallowed since the lab was built, for whatever reason: proof that a fault was one. */
  async swallowed(link: string): Promise<number> {
    const counts = (await this.#order(`stats ${link}`)).matchAll(/ (?:loss|cut|udp|mtu|queue)=(\d+)/g)
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  /** Bytes that each direction (`a:h1`) was given since the lab was built, with all headers from Ethernet's up. */
  async carried(): Promise<ReadonlyMap<string, number>> {
    const counts = (await this.#order('stats')).matchAll(/^(\S+) .*? rxb=(\d+)/gm)
    return new Map([...counts].map(([, direction = '', bytes]) => [direction, Number(bytes)]))
  }

  /** The UDP frames that one direction of a link (`a:h1`) was given since the lab was built, and those it lost by chance. */
  async udpFrames(direction: string): Promise<UdpFrames> {
    const stats = await this.#order(`stats ${direction}`)
    const read = (key: string): number => Number(new RegExp(` ${key}=(\\d+)`).exec(stats)?.[1])
    return { given: read('urx'), bytes: read('urxb'), lost: read('uloss') }
  }

  /** Ends all that runs in the lab, and removes it. */
  async down(): Promise<void> {
    this.#orders.destroy()
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const ended = new Promise<void>((done) => this.#holder.once('exit', () => done()))
    this.#holder.stdin?.end()
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down()
  }

  #namespace(host: string): string {
    const namespace = this.#description.namespaces[host]
    if (namespace === undefined) throw new Error(`there is no host ${host} in this lab`)
    return namespace
  }

  #order(order: string): Promise<string> {
    const answered = this.#queue.then(async () => {
      this.#answer = ''
      const answer = await new Promise<string>((resolve) => {
        this.#settle = resolve
        this.#orders.write(`${order}\n`)
      })
      if (answer.startsWith('err')) throw new Error(`${order}: ${answer.split('\n', 1)[0]}`)
      return answer
    })
    this.#queue = answered.catch(() => undefined)
    return answered
  }
}
