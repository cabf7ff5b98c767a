/**
 * Programs of others, as people run them, that know nothing of us: whether they are there, and how to start their servers in
 * a host of the lab. All of them listen on loopback only.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../lab.ts'
import { eventually } from '../../e2e/eventually.ts'

const POSTGRES_VERSIONS = '/usr/lib/postgresql'
/** PostgreSQL does not run as root. */
const NOBODY = 65_534
const TCP_END = fileURLToPath(new URL('tcp-end.ts', import.meta.url))

/** How to ask for a program, and the Debian package that brings it. */
const TOOLS: readonly (readonly [name: string, question: string, packages: string])[] = [
  ['redis-server', '--version', 'redis-server'],
  ['redis-benchmark', '--version', 'redis-tools'],
  ['curl', '--version', 'curl'],
  ['dig', '-v', 'dnsutils'],
  ['dnsmasq', '--version', 'dnsmasq-base'],
  ['iperf3', '--version', 'iperf3'],
  ['psql', '--version', 'postgresql'],
]

/** What is not installed, and how to install it, in one sentence. In CI, as root, that is an error. */
export function programsMissing(): string | undefined {
  const packages = TOOLS.flatMap(([name, question, packages]) => (spawnSync(name, [question]).status === 0 ? [] : [packages]))
  if (postgres('initdb') === undefined) packages.push('postgresql')
  if (packages.length === 0) return undefined
  const reason = `programs are not installed; on Debian: apt-get install ${[...new Set(packages)].join(' ')}`
  if (process.env['CI'] === 'true' && process.getuid?.() === 0) throw new Error(reason)
  return reason
}

/** Debian keeps the programs of the server out of the path, by version. */
function postgres(program: string): string | undefined {
  if (!existsSync(POSTGRES_VERSIONS)) return undefined
  const paths = readdirSync(POSTGRES_VERSIONS).map((version) => join(POSTGRES_VERSIONS, version, 'bin', program))
  return paths.findLast((path) => existsSync(path))
}

/** The servers of one host, with their files below `directory`. */
export class Servers {
  readonly #lab: Lab
  readonly #host: string
  readonly #directory: string

  constructor(lab: Lab, host: string, directory: string) {
    this.#lab = lab
    this.#host = host
    this.#directory = directory
  }

  async redis(port: number): Promise<void> {
    this.#start('redis', ['redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
    await this.#answers('redis', ['redis-cli', '-p', `${port}`, 'ping'])
  }

  /** Serves the files below `root`. */
  async web(port: number, root: string): Promise<void> {
    this.#start('web', ['python3', '-m', 'http.server', `${port}`, '--bind', '127.0.0.1', '--directory', root])
    await this.#answers('web', ['curl', '-sf', '-o', '/dev/null', `http://127.0.0.1:${port}/`])
  }

  /** Answers every name below `domain` with `address`. */
  async dns(port: number, domain: string, address: string): Promise<void> {
    const own = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--user=root', '--pid-file=']
    this.#start('dns', [
      'dnsmasq',
      ...own,
      '-p',
      `${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      `--address=/${domain}/${address}`,
    ])
    await this.#answers('dns', ['dig', '+short', '+time=1', '+tries=1', '-p', `${port}`, '@127.0.0.1', `a.${domain}`])
  }

  async iperf(port: number): Promise<void> {
    this.#start('iperf', ['iperf3', '-s', '-p', `${port}`, '-B', '127.0.0.1'])
    await this.#answers('iperf', ['python3', '-c', `import socket; socket.create_connection(("127.0.0.1", ${port}), 1)`])
  }

  async postgres(port: number): Promise<void> {
    const data = join(this.#directory, 'postgres')
    // Passable, not readable.
    chmodSync(this.#directory, 0o711)
    mkdirSync(data)
    chownSync(data, NOBODY, NOBODY)
    const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
    await this.#lab.ask(this.#host, [...asNobody, postgres('initdb') ?? '', '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'])
    const settings = ['-p', `${port}`, '-h', '127.0.0.1', '-k', data, '-F']
    this.#start('postgres', [...asNobody, postgres('postgres') ?? '', '-D', data, ...settings])
    await this.#answers('postgres', ['psql', '-h', '127.0.0.1', '-p', `${port}`, '-U', 'postgres', '-c', 'select 1'])
  }

  async tcpEnd(port: number): Promise<void> {
    this.#start('tcp-end', [process.execPath, TCP_END, 'serve', `${port}`])
    await this.#answers('tcp-end', ['python3', '-c', `import socket; socket.create_connection(("127.0.0.1", ${port}), 1)`])
  }

  #start(name: string, command: readonly string[]): void {
    this.#lab.spawn(this.#host, command, join(this.#directory, `${name}.log`))
  }

  async #answers(name: string, question: readonly string[]): Promise<void> {
    await eventually(`${name} answers`, () => this.#lab.exec(this.#host, question).code === 0)
  }
}

/** Asks the server of `tcp-end.ts`, as the words say. */
export async function tcpEnd<Facts>(lab: Lab, host: string, ...words: readonly (string | number)[]): Promise<Facts> {
  const line = await lab.ask(host, [process.execPath, TCP_END, ...words.map(String)])
  return JSON.parse(line) as Facts
}
