/**
 * Who carries the flow from a to b while links fail: Causeway, a plain TCP connection, or what people run today. A
 * carrier is set up in a lab and says by which medium its flow travels; cutting and counting are the same for all.
 */
import { spawnSync } from 'node:child_process'
import type { Lab } from '../../netlab/lab.ts'
import type { MediumSpec } from '../flow/medium.ts'

export interface Carrier {
  /** As `--only` names it. */
  readonly name: string
  /** Settings that matter, for people. */
  readonly mode: string
  /** What must be installed: program → Debian package. */
  readonly programs: Readonly<Record<string, string>>
  /** From the heal of a fault until the next; less is too early for its own timers. */
  readonly restMs: number
  /** A cut is healed after this at the latest. */
  readonly patienceMs: number
  /** It makes a new network after so many rounds of faults. @default never */
  readonly roundsMax?: number
  /** One connection over one way: it can only wait until a cut is healed. */
  readonly waits?: boolean
  start(lab: Lab, directory: string): Promise<Carriage>
}

/** A carrier at work in one lab. */
export interface Carriage {
  readonly a: MediumSpec
  readonly b: MediumSpec
  /** Everything that it should know it knows: all ways are there to be used. */
  ready?(): Promise<void>
  /**
   * Kills what relays on a host, and brings it back. Without them the kernel relays, and a host that fails is one whose
   * links all fall silent.
   */
  kill?(host: string): Promise<void>
  revive?(host: string): Promise<void>
  /** Asks everybody to leave a hub, or takes them back. */
  drain?(hub: string, draining: boolean): Promise<void>
  stop?(): Promise<void>
}

export function notInstalled({ programs }: Pick<Carrier, 'programs'>): string | undefined {
  const packages = Object.entries(programs).flatMap(([program, from]) => (isInstalled(program) ? [] : [from]))
  return packages.length === 0 ? undefined : `not installed: apt install ${[...new Set(packages)].join(' ')}`
}

function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

/** An address on the loopback of a host, which routing daemons announce. */
export function loopbackOf(lab: Lab, host: string): string {
  return `10.78.0.${lab.hosts.indexOf(host) + 1}`
}

/** Hosts become routers with an address of their own. */
export function makeRouters(lab: Lab): void {
  for (const host of lab.hosts) {
    const steps = ['echo 1 > /proc/sys/net/ipv4/ip_forward', `ip addr add ${loopbackOf(lab, host)}/32 dev lo`]
    inHost(lab, host, ['sh', '-ec', steps.join('\n')])
  }
}

export function inHost(lab: Lab, host: string, command: readonly string[]): string {
  const { code, output } = lab.exec(host, command)
  if (code !== 0) throw new Error(`${command.join(' ')} in ${host}: ${output.trim()}`)
  return output
}

/** Datagrams of the kernel between two addresses. */
export function overUdp(a: string, b: string): Pick<Carriage, 'a' | 'b'> {
  return { a: { type: 'udp', side: 'a', host: b, source: a }, b: { type: 'udp', side: 'b', host: b, source: a } }
}
