/** What makes up the traffic of some hosts: tcpdump listens on all their interfaces, and the packets are sorted. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from '../../netlab/lab.ts'

export interface Share {
  readonly what: string
  /** As on the interface, Ethernet header included. */
  readonly bytesOut: number
  readonly bytesIn: number
}

/** Ethernet, IPv4 and UDP; Ethernet, IPv4 and TCP with time stamps, as Linux sends it (RFC 7323, 3.2). */
const HEADER_BYTES = { UDP: 14 + 20 + 8, tcp: 14 + 20 + 32 } as const
/** `TIME INTERFACE In|Out … FROM > TO: UDP, length N` or `… tcp N`, as `-q -e -i any` prints. */
const PACKET = /^\S+ (\S+)\s+(In|Out) .*? \S+ > \S+: (UDP|tcp)(?:, length)? (\d+)/

export class PacketCapture {
  readonly #directory = mkdtempSync(join(tmpdir(), 'cw-bench-'))
  readonly #hosts: readonly string[]
  readonly #interfaces: readonly string[]
  readonly #children: readonly ChildProcess[]

  /** Only what crosses one of `interfaces` counts. */
  constructor(lab: Lab, hosts: readonly string[], interfaces: readonly string[]) {
    this.#hosts = hosts
    this.#interfaces = interfaces
    this.#children = hosts.map((host) => lab.spawn(host, ['tcpdump', '-i', 'any', '-nn', '-q', '-e', '-l'], this.#output(host)))
  }

  async stop(): Promise<Share[]> {
    for (const child of this.#children) {
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      await ended
    }
    const text = this.#hosts.map((host) => readFileSync(this.#output(host), 'utf8')).join('\n')
    rmSync(this.#directory, { recursive: true, force: true })
    return sharesOf(text, this.#interfaces)
  }

  #output(host: string): string {
    return join(this.#directory, host)
  }
}

export function sharesOf(text: string, interfaces: readonly string[]): Share[] {
  const shares = new Map<string, { In: number; Out: number }>()
  for (const line of text.split('\n')) {
    const [, device = '', way, protocol, payload] = PACKET.exec(line) ?? []
    if (!interfaces.includes(device)) continue
    const kind = protocol as keyof typeof HEADER_BYTES
    const what = kindOf(kind, Number(payload))
    const share = shares.get(what) ?? { In: 0, Out: 0 }
    shares.set(what, share)
    share[way as 'In' | 'Out'] += HEADER_BYTES[kind] + Number(payload)
  }
  return [...shares].map(([what, share]) => ({ what, bytesOut: share.Out, bytesIn: share.In })).toSorted((a, b) => b.bytesOut - a.bytesOut)
}

function kindOf(protocol: keyof typeof HEADER_BYTES, payload: number): string {
  if (protocol === 'UDP') return `UDP of ${payload} bytes`
  return payload === 0 ? 'TCP, bare acknowledgements' : 'TCP with data'
}
