/**
 * A UDP port of this machine behind which a service of another site is. All datagrams from one address are a flow, which has
 * a channel and so a socket of its own at the other end; it ends when neither side has said anything for a while.
 *
 *  1. Nothing waits for long: what cannot be sent when it comes is dropped, and counted.
 *  2. A flow whose node fails or is out of reach goes on with the next node.
 */
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ForwardView, Limits } from '@causeway/protocol'
import { type HostPort, formatHostPort } from '../host-port.ts'
import type { Programs } from '../program-channel.ts'
import { formatDestination } from './destination.ts'
import { FailureNote, type Forward } from './forward.ts'
import { bindUdp } from './listen-socket.ts'
import type { ServiceDirectory } from './service-directory.ts'
import type { ForwardSetting } from './settings.ts'
import type { SparingReports } from './sparing-reports.ts'
import { type TrafficCounts, noTraffic } from './traffic.ts'
import { UdpFlow } from './udp-flow.ts'

/** bound: of one forward. More clients than that at a time have to wait until one falls silent. */
const FLOWS_MAX = 4_096
/** How often flows are looked at that may have lost their node. */
const REVIEW_MS = 1_000

export interface UdpSurroundings {
  readonly programs: Programs
  readonly directory: ServiceDirectory
  readonly reports: SparingReports
  readonly limits: Pick<Limits, 'datagramMessageBytesMax'>
}

export class UdpForward implements Forward {
  readonly counts: TrafficCounts = noTraffic()
  readonly #surroundings: UdpSurroundings
  readonly #socket: Socket
  readonly #failures = new FailureNote()
  readonly #flows = new Map<string, UdpFlow>()
  #setting: ForwardSetting
  #listen: HostPort
  #reviewing: NodeJS.Timeout | undefined

  private constructor(setting: ForwardSetting, surroundings: UdpSurroundings) {
    this.#setting = setting
    this.#listen = setting.listen
    this.#surroundings = surroundings
    this.#socket = createSocket(isIPv6(setting.listen.host) ? 'udp6' : 'udp4')
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(setting: ForwardSetting, surroundings: UdpSurroundings): Promise<UdpForward> {
    const forward = new UdpForward(setting, surroundings)
    forward.#listen = await bindUdp(forward.#socket, setting.listen, 'the forward')
    forward.#socket.on('message', (datagram, from) => forward.#datagram(datagram, from))
    forward.#socket.on('error', (error) => void forward.#failures.note(error))
    forward.#reviewing = setInterval(() => forward.#review(), REVIEW_MS)
    forward.#reviewing.unref()
    return forward
  }

  get id(): string {
    return `udp:${formatHostPort(this.#listen)}`
  }

  /** Flows begin anew, as the setting says now. */
  retarget(setting: ForwardSetting): void {
    this.#setting = setting
    this.reset('the forward leads elsewhere now')
  }

  view(): Omit<ForwardView, 'origin'> {
    const { to, class: frameClass, idleSeconds } = this.#setting
    return {
      id: this.id,
      listen: formatHostPort(this.#listen),
      to: formatDestination(to),
      protocol: 'udp',
      class: frameClass,
      idleSeconds,
      ...this.counts,
      lastFailure: this.#failures.last,
    }
  }

  /** Without its socket a flow hears nothing more. */
  close(): void {
    clearInterval(this.#reviewing)
    this.reset('the forward is closed')
    this.#socket.close()
  }

  reset(reason: string): void {
    for (const flow of this.#flows.values()) flow.end(reason)
  }

  #datagram(datagram: Uint8Array, from: RemoteInfo): void {
    const { counts } = this
    if (datagram.length > this.#surroundings.limits.datagramMessageBytesMax) {
      counts.dropped++
      return
    }
    const flow = this.#flowOf(from)
    if (flow) flow.send(datagram)
    else counts.refused++
  }

  #flowOf({ address, port }: RemoteInfo): UdpFlow | undefined {
    const key = formatHostPort({ host: address, port })
    const known = this.#flows.get(key)
    if (known || this.#flows.size >= FLOWS_MAX) return known
    const { counts } = this
    counts.open++
    counts.opened++
    const flow = new UdpFlow(this.#setting, this.#surroundings, counts, {
      answer: (datagram) => this.#socket.send(datagram, port, address, (error) => void (error && counts.dropped++)),
      failed: (error) => this.#failed(error),
      ended: () => {
        this.#flows.delete(key)
        counts.open--
      },
    })
    this.#flows.set(key, flow)
    return flow
  }

  #failed(error: unknown): void {
    this.counts.failed++
    const reason = this.#failures.note(error)
    const to = formatDestination(this.#setting.to)
    this.#surroundings.reports.tell('forward-failed', this.id, { forward: this.id, to, reason })
  }

  #review(): void {
    const left = new Map<string, boolean>()
    for (const flow of this.#flows.values()) {
      const { node } = flow
      if (node === undefined) continue
      const leaves = left.get(node) ?? this.#surroundings.directory.shouldLeave(node, this.#setting.to, 'udp')
      left.set(node, leaves)
      if (leaves) flow.leave()
    }
  }
}
