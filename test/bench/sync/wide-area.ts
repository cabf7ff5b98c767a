/**
 * What crosses the links between the sites and the core, so far: on the wire by the counters of the lab, which see every
 * frame with all its headers, and as TCP payload by the kernel's own count for each socket of the core (tcp_info). The state
 * may have sockets of its own, by which it is told from probes and heartbeats; what these take on the wire follows from
 * their segments.
 */
import type { Lab } from '../../netlab/lab.ts'
import { sumOf } from '../statistics.ts'
import { CORE, siteHost } from './system.ts'

const LOOK_MS = 1_000
/** Of a TCP segment: Ethernet 14, IPv4 20, TCP 20 and its timestamps 12. */
const HEADERS_BYTES = 66

/** `up` is from the sites to the core. */
export interface BothWays {
  readonly up: number
  readonly down: number
}

/** Bytes with all headers, and of TCP payload. */
export interface Traffic {
  readonly wire: BothWays
  readonly payload: BothWays
}

export interface WideAreaReading {
  /** Whatever crosses. */
  readonly all: Traffic
  /** On the sockets that carry the state. */
  readonly state: Traffic
  /** Payload of the state of each site, both ways. */
  readonly bySite: readonly number[]
}

export class WideArea implements Disposable {
  readonly #lab: Lab
  readonly #hosts: readonly string[]
  /** Of the sites, towards the core. */
  readonly #addresses: readonly string[]
  /** By both ends; also of sockets that are gone. */
  readonly #sockets = new Map<string, SocketTraffic>()
  readonly #statePort: number | undefined
  readonly #timer: NodeJS.Timeout

  /**
   * Looks at the sockets each second: what one carries between the last look and its end is not counted. `statePort`: of the
   * core, whose sockets carry the state. @default all do
   */
  constructor(lab: Lab, sites: number, statePort?: number) {
    this.#lab = lab
    this.#statePort = statePort
    this.#hosts = Array.from({ length: sites }, (_, site) => siteHost(site))
    this.#addresses = this.#hosts.map((host) => lab.address(host, CORE))
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
    const state = sockets.filter(({ port }) => this.#statePort === undefined || port === this.#statePort)
    return {
      all: {
        wire: { up: bytes((host) => `${host}:${CORE}`), down: bytes((host) => `${CORE}:${host}`) },
        payload: total(sockets.map(({ payload }) => payload)),
      },
      state: { wire: total(state.map(({ wire }) => wire)), payload: total(state.map(({ payload }) => payload)) },
      bySite: this.#addresses.map((address) =>
        sumOf(state.filter(({ peer }) => peer === address).map(({ payload }) => payload.up + payload.down)),
      ),
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  /** Without standing still meanwhile: the programs of some systems run in this process. */
  async #look(): Promise<void> {
    const table = await this.#lab.ask(CORE, ['ss', '-tinHO'])
    for (const [socket, traffic] of trafficIn(table, new Set(this.#addresses))) this.#sockets.set(socket, traffic)
  }
}

/** Of one socket since it was opened. */
export interface SocketTraffic extends Traffic {
  /** Of the core. */
  readonly port: number
  /** Address of the other end. */
  readonly peer: string
}

/** Of the sockets of the core whose other end has one of these addresses; one line each, with its counters behind. */
export function trafficIn(table: string, addresses: ReadonlySet<string>): Map<string, SocketTraffic> {
  const sockets = new Map<string, SocketTraffic>()
  for (const line of table.split('\n')) {
    const [, , , own = '', peer = ''] = line.split(/\s+/)
    const address = peer.replace(/:\d+$/, '').replace(/^\[(?:::ffff:)?([^\]]+)\]$/, '$1')
    if (!addresses.has(address)) continue
    const count = (name: string): number => Number(new RegExp(` ${name}:(\\d+)`).exec(line)?.[1] ?? 0)
    const payload = { up: count('bytes_received'), down: count('bytes_sent') - count('bytes_retrans') }
    const wire = {
      up: count('bytes_received') + HEADERS_BYTES * count('segs_in'),
      down: count('bytes_sent') + HEADERS_BYTES * count('segs_out'),
    }
    sockets.set(`${own} ${peer}`, { port: Number(own.slice(own.lastIndexOf(':') + 1)), peer: address, payload, wire })
  }
  return sockets
}

function total(all: readonly BothWays[]): BothWays {
  return { up: sumOf(all.map(({ up }) => up)), down: sumOf(all.map(({ down }) => down)) }
}

export function less(a: BothWays, b: BothWays): BothWays {
  return { up: a.up - b.up, down: a.down - b.down }
}

export function times(a: BothWays, factor: number): BothWays {
  return { up: a.up * factor, down: a.down * factor }
}
