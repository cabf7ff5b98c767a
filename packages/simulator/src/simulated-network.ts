/**
 * The network driver of the simulated world: `NetworkInput` and `NetworkEffect` exactly as in protocol, driver.ts,
 * over wires between hosts. A host is a machine with an address; a port is one life of its process on the network.
 *
 * Dialling costs two round trips (TCP and one for the handshake) and, where a wire is silent, times out. Nobody is
 * told of a cut. A process that dies leaves its kernel, which resets its connections as far as the wires let it.
 */
import { type DatagramKey, type NetworkInput, type Random, invariant } from '@causeway/protocol'
import { SimulatedConnection } from './simulated-connection.ts'
import { type Process, SimulatedPort } from './simulated-port.ts'
import type { Timeline } from './timeline.ts'
import { PERFECT_WIRE, Wire, type WireConditions } from './wire.ts'

export interface Host {
  readonly index: number
  /** `host:port` where others dial it. */
  readonly address: string
  /** Ed25519 public key. */
  readonly key: Uint8Array
  /** Others may dial it: false behind a NAT. */
  readonly listens: boolean
  /** UDP gets through. */
  readonly udp: boolean
}

export interface NetworkOptions {
  readonly laneQueueBytesMax: number
  /** The conditions between two hosts, asked for once per direction. @default a perfect wire of 1 ms */
  readonly conditions?: (from: Host, to: Host) => WireConditions
}

const DIAL_MS_MAX = 5000
const SYN_RETRY_MS = 1000
/** A refusal by an address where there is no host of ours comes from somewhere near. */
const REFUSED_MS = 2

export class SimulatedNetwork {
  readonly timeline: Timeline
  readonly random: Random
  readonly laneQueueBytesMax: number
  readonly #conditions: (from: Host, to: Host) => WireConditions
  readonly #hosts: Host[] = []
  readonly #byAddress = new Map<string, Host>()
  readonly #wires = new Map<number, Wire>()
  /** The running process of each host. */
  readonly #ports = new Map<Host, SimulatedPort>()

  constructor(timeline: Timeline, random: Random, options: NetworkOptions) {
    this.timeline = timeline
    this.random = random
    this.laneQueueBytesMax = options.laneQueueBytesMax
    this.#conditions = options.conditions ?? (() => PERFECT_WIRE)
  }

  get hosts(): readonly Host[] {
    return this.#hosts
  }

  addHost(host: Omit<Host, 'index'>): Host {
    invariant(!this.#byAddress.has(host.address), `address ${host.address} is taken`)
    const added = { ...host, index: this.#hosts.length }
    this.#hosts.push(added)
    this.#byAddress.set(host.address, added)
    return added
  }

  /**
   * Starts a process on a host; `deliver` gets its inputs, each at its own time, never from within `apply`. Without
   * `process` it never stands still and has the world's clock.
   */
  open(host: Host, deliver: (input: NetworkInput) => void, process?: Process): SimulatedPort {
    invariant(!this.#ports.has(host), `${host.address} already runs`)
    const port = new SimulatedPort(this, host, deliver, process)
    this.#ports.set(host, port)
    return port
  }

  /** The process of the port has ended; its kernel resets what it had open. Returns the number of connections lost. */
  close(port: SimulatedPort): number {
    if (this.#ports.get(port.host) === port) this.#ports.delete(port.host)
    return port.die()
  }

  wire(from: Host, to: Host): Wire {
    const index = from.index * 65_536 + to.index
    let wire = this.#wires.get(index)
    if (!wire) {
      wire = new Wire(this.#conditions(from, to), this.random)
      this.#wires.set(index, wire)
    }
    return wire
  }

  dial(port: SimulatedPort, address: string): void {
    const host = this.#byAddress.get(address)
    const fail = (afterMs: number, reason: string): void => {
      this.timeline.after(afterMs, () => port.deliver({ type: 'dialFailed', address, reason }))
    }
    if (!host || host === port.host) return fail(REFUSED_MS, 'connection refused')
    this.#shake(port, host, this.timeline.now + DIAL_MS_MAX)
  }

  /** One attempt of a handshake; lost segments are tried again until the dial gives up. */
  #shake(port: SimulatedPort, host: Host, deadline: number): void {
    const { timeline } = this
    if (port.dead) return
    const [forward, backward] = [this.wire(port.host, host), this.wire(host, port.host)]
    const fail = (at: number, reason: string): void => {
      timeline.at(at, () => port.deliver({ type: 'dialFailed', address: host.address, reason }))
    }
    if (!forward.passes(2) || !backward.passes(2)) {
      const retryAt = timeline.now + SYN_RETRY_MS
      if (retryAt >= deadline) return fail(deadline, 'timed out')
      return timeline.at(retryAt, () => this.#shake(port, host, deadline))
    }
    const heardAt = forward.arrival(timeline.now, 40)
    const answeredAt = backward.arrival(heardAt, 40)
    if (answeredAt >= deadline) return fail(deadline, 'timed out')
    timeline.at(answeredAt, () => {
      const peer = this.#ports.get(host)
      if (!host.listens || !peer) return fail(timeline.now, 'connection refused')
      const acceptedAt = forward.arrival(timeline.now, 1000)
      timeline.at(acceptedAt, () => this.#accept(port, peer, deadline))
    })
  }

  /** The acceptor knows the dialler's key now; the dialler is connected half a round trip later. */
  #accept(dialler: SimulatedPort, acceptor: SimulatedPort, deadline: number): void {
    const { timeline } = this
    if (dialler.dead) return
    const address = acceptor.host.address
    if (acceptor.dead) {
      return timeline.after(1, () => dialler.deliver({ type: 'dialFailed', address, reason: 'connection reset' }))
    }
    const backward = this.wire(acceptor.host, dialler.host)
    const connectedAt = backward.arrival(timeline.now, 1000)
    const connection = new SimulatedConnection(this, dialler, acceptor, connectedAt)
    // Planned before the acceptor may speak: what it says at once arrives after the dialler is connected.
    if (backward.isCut) this.#halfOpen(connection, dialler, address, deadline)
    else timeline.at(connectedAt, () => connection.dialler.connect(address))
    connection.acceptor.connect(undefined)
  }

  /** The answer is lost in a cut: the dialler gives up, the acceptor holds half a connection until it hears so. */
  #halfOpen(connection: SimulatedConnection, dialler: SimulatedPort, address: string, deadline: number): void {
    this.wire(connection.acceptor.host, dialler.host).passes(1)
    this.timeline.at(deadline, () => {
      connection.dialler.reset('timed out')
      dialler.deliver({ type: 'dialFailed', address, reason: 'timed out' })
    })
  }

  freshKey(): DatagramKey {
    const key = new Uint8Array(32)
    for (let i = 0; i < key.length; i++) key[i] = this.random.uint32()
    return { index: this.random.uint32(), key }
  }
}
