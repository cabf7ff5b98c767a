/**
 * What crosses the links between the sites and the core, so far: on the wire by the counters of the lab, which see every
 * frame with all its headers, and as TCP payload by the kernel's own count for each socket of the core (tcp_info).
 */
import type { Lab } from '../../netlab/lab.ts'
import { sumOf } from '../statistics.ts'
import { CORE, siteHost } from './system.ts'

const LOOK_MS = 1_000

/** `up` is from the sites to the core. */
export interface BothWays {
  readonly up: number
  readonly down: number
}

export interface WideAreaReading {
  readonly wire: BothWays
  readonly payload: BothWays
}

export class WideArea implements Disposable {
  readonly #lab: Lab
  readonly #hosts: readonly string[]
  readonly #addresses: ReadonlySet<string>
  /** By both ends; also of sockets that are gone. */
  readonly #sockets = new Map<string, BothWays>()
  readonly #timer: NodeJS.Timeout

  /** Looks at the sockets each second: what one carries between the last look and its end is not counted. */
  constructor(lab: Lab, sites: number) {
    this.#lab = lab
    this.#hosts = Array.from({ length: sites }, (_, site) => siteHost(site))
    this.#addresses = new Set(this.#hosts.map((host) => lab.address(host, CORE)))
    this.#timer = setInterval(() => {
      // A look in vain is made good by the next.
      this.#look().catch(() => undefined)
    }, LOOK_MS)
  }

  async read(): Promise<WideAreaReading> {
    const [carried] = await Promise.all([this.#lab.carried(), this.#look()])
    const bytes = (direction: (host: string) => string): number =>
      sumOf(this.#hosts.map((host) => carried.get(direction(host)) ?? Number.NaN))
    const sockets = [...this.#sockets.values()]
    return {
      wire: { up: bytes((host) => `${host}:${CORE}`), down: bytes((host) => `${CORE}:${host}`) },
      payload: { up: sumOf(sockets.map(({ up }) => up)), down: sumOf(sockets.map(({ down }) => down)) },
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  /** Without standing still meanwhile: the programs of some systems run in this process. */
  async #look(): Promise<void> {
    const table = await this.#lab.ask(CORE, ['ss', '-tinHO'])
    for (const [socket, payload] of payloadIn(table, this.#addresses)) this.#sockets.set(socket, payload)
  }
}

/** Of the sockets of the core whose other end has one of these addresses; one line each, with its counters behind. */
export function payloadIn(table: string, addresses: ReadonlySet<string>): Map<string, BothWays> {
  const sockets = new Map<string, BothWays>()
  for (const line of table.split('\n')) {
    const [, , , own = '', peer = ''] = line.split(/\s+/)
    const address = peer.replace(/:\d+$/, '').replace(/^\[(?:::ffff:)?([^\]]+)\]$/, '$1')
    if (!addresses.has(address)) continue
    const count = (name: string): number => Number(new RegExp(` ${name}:(\\d+)`).exec(line)?.[1] ?? 0)
    sockets.set(`${own} ${peer}`, { up: count('bytes_received'), down: count('bytes_sent') - count('bytes_retrans') })
  }
  return sockets
}

export function less(a: BothWays, b: BothWays): BothWays {
  return { up: a.up - b.up, down: a.down - b.down }
}

export function times(a: BothWays, factor: number): BothWays {
  return { up: a.up * factor, down: a.down * factor }
}
