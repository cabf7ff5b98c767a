/**
 * A connection of two processes: two ends, each with a pipe per lane towards the other, and datagrams beside it.
 *
 *  1. An end that is not open delivers nothing and sends nothing.
 *  2. `disconnected` is delivered once per end that was connected, and last.
 *  3. A datagram is delivered only if it was sealed with the key that this end had given out.
 */
import {
  DATAGRAM_BYTES_MAX,
  type ConnectionId,
  type DatagramKey,
  type Probe,
  type ProbeReply,
  decodeProbePacket,
  encodeProbePacket,
  equalBytes,
  invariant,
  stampOf,
} from '@causeway/protocol'
import { Reflector } from '@causeway/probe'
import type { Host, SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedPort } from './simulated-port.ts'
import { StreamPipe } from './stream-pipe.ts'

export type StreamLane = 'control' | 'stream'

const DATAGRAM_OVERHEAD_BYTES = 64
const RESET_RETRY_MS = 500
const RESET_RETRY_MS_MAX = 8000

export class SimulatedConnection {
  readonly dialler: ConnectionEnd
  readonly acceptor: ConnectionEnd

  constructor(network: SimulatedNetwork, dialler: SimulatedPort, acceptor: SimulatedPort, connectedAt: number) {
    const udp = dialler.host.udp && acceptor.host.udp
    this.dialler = new ConnectionEnd(network, dialler, udp ? network.freshKey() : null)
    this.acceptor = new ConnectionEnd(network, acceptor, udp ? network.freshKey() : null)
    this.dialler.join(this.acceptor, connectedAt)
    this.acceptor.join(this.dialler, connectedAt)
  }
}

export class ConnectionEnd {
  readonly #network: SimulatedNetwork
  readonly #port: SimulatedPort
  readonly #ownKey: DatagramKey | null
  readonly #pipes = new Map<StreamLane, StreamPipe>()
  #peer: ConnectionEnd | undefined
  #peerKey: DatagramKey | undefined
  #id: ConnectionId | undefined
  #closed = false
  readonly #reflector = new Reflector()

  constructor(network: SimulatedNetwork, port: SimulatedPort, ownKey: DatagramKey | null) {
    this.#network = network
    this.#port = port
    this.#ownKey = ownKey
  }

  get host(): Host {
    return this.#port.host
  }

  get #open(): boolean {
    return this.#id !== undefined && !this.#closed
  }

  /** Lays the pipes towards the peer; nothing arrives before both ends are connected. */
  join(peer: ConnectionEnd, connectedAt: number): void {
    this.#peer = peer
    const forward = this.#network.wire(this.#port.host, peer.#port.host)
    const backward = this.#network.wire(peer.#port.host, this.#port.host)
    for (const lane of ['control', 'stream'] as const) {
      const listener = {
        message: (message: Uint8Array) => peer.#receive(lane, message),
        end: (reason: string) => peer.#disconnect(reason),
        blocked: () => this.#tellLane('laneBlocked', lane),
        drained: () => this.#tellLane('laneDrained', lane),
      }
      const options = { queueBytesMax: this.#network.laneQueueBytesMax, opensAt: connectedAt }
      this.#pipes.set(lane, new StreamPipe(this.#network.timeline, forward, backward, listener, options))
    }
  }

  /** The handshake is complete on this side. */
  connect(address: string | undefined): void {
    const peer = this.#peer
    if (this.#closed || this.#port.dead || !peer) return
    this.#id = this.#port.admit(this)
    const { host } = peer.#port
    this.#port.deliver({
      type: 'connected',
      connection: this.#id,
      peerKey: host.key,
      address,
      remote: host.address,
      datagram: this.#ownKey,
      stream: null,
    })
  }

  write(lane: StreamLane, messages: readonly Uint8Array[]): void {
    if (this.#open && messages.length > 0) this.#pipes.get(lane)?.write(messages)
  }

  openDatagrams(remote: DatagramKey | null): void {
    this.#peerKey = remote ?? undefined
  }

  sendDatagram(message: Uint8Array): void {
    const peer = this.#peer
    const key = this.#peerKey
    if (!this.#open || !peer || !key) return
    const { timeline } = this.#network
    invariant(message.length <= DATAGRAM_BYTES_MAX, `a datagram of ${message.length} bytes is too long`)
    const wire = this.#network.wire(this.#port.host, peer.#port.host)
    for (const at of wire.datagramArrivals(timeline.now, message.length + DATAGRAM_OVERHEAD_BYTES)) {
      // Whoever gets it may write on it.
      const copy = message.slice()
      timeline.at(at, () => peer.#receiveDatagram(key, copy))
    }
  }

  probe(probe: Probe): void {
    this.sendDatagram(encodeProbePacket({ ...probe, sent: stampOf(this.#port.running.now()) }))
  }

  /** Closes in good order: what was written to the control lane arrives, then the peer is told. */
  close(reason: string): void {
    if (!this.#open) return
    this.#pipes.get('stream')?.abort()
    this.#pipes.get('control')?.finish(reason)
    const id = this.#shut(false)
    this.#network.timeline.after(0, () => this.#port.deliver({ type: 'disconnected', connection: id, reason }))
  }

  /** This side is gone; its kernel tells the peer, as soon as the wire lets it. */
  reset(reason: string): void {
    if (this.#closed) return
    this.#shut(true)
    this.#sendReset(reason, RESET_RETRY_MS)
  }

  #sendReset(reason: string, retryMs: number): void {
    const peer = this.#peer
    if (!peer || peer.#closed) return
    const { timeline } = this.#network
    const wire = this.#network.wire(this.#port.host, peer.#port.host)
    if (wire.passes(1)) timeline.at(wire.arrival(timeline.now, 40), () => peer.#disconnect(reason))
    else timeline.after(retryMs, () => this.#sendReset(reason, Math.min(RESET_RETRY_MS_MAX, 2 * retryMs)))
  }

  #receive(lane: StreamLane, message: Uint8Array): void {
    if (this.#open && this.#id !== undefined) this.#port.deliver({ type: 'received', connection: this.#id, lane, messages: [message] })
  }

  #receiveDatagram(sealedWith: DatagramKey, message: Uint8Array): void {
    const own = this.#ownKey
    if (!this.#open || this.#id === undefined || !own) return
    if (sealedWith.index !== own.index || !equalBytes(sealedWith.key, own.key)) return
    const packet = decodeProbePacket(message)
    if (packet) this.#receiveProbe(this.#id, packet)
    else this.#port.deliver({ type: 'received', connection: this.#id, lane: 'datagram', messages: [message] })
  }

  /** Answered at once, also while the machine stands still; only a process that is stopped altogether answers later. */
  #receiveProbe(connection: ConnectionId, packet: Probe | ProbeReply): void {
    const { running } = this.#port
    const { timeline } = this.#network
    if (running.frozenUntil() > timeline.now) {
      timeline.at(running.frozenUntil(), () => this.#receiveProbe(connection, packet))
      return
    }
    const at = running.now()
    if (packet.type === 'probe') this.sendDatagram(encodeProbePacket(this.#reflector.reply(at, at, packet, running.ageMs())))
    if (this.#open) this.#port.deliver({ type: 'probed', connection, at, packet })
  }

  #disconnect(reason: string): void {
    if (this.#closed) return
    const wasConnected = this.#id !== undefined
    const id = this.#shut(true)
    if (wasConnected) this.#port.deliver({ type: 'disconnected', connection: id, reason })
  }

  #shut(abortControl: boolean): ConnectionId {
    this.#closed = true
    const id = this.#id ?? 0
    this.#port.forget(id)
    this.#pipes.get('stream')?.abort()
    if (abortControl) this.#pipes.get('control')?.abort()
    return id
  }

  #tellLane(type: 'laneBlocked' | 'laneDrained', lane: StreamLane): void {
    this.#network.timeline.after(0, () => {
      if (this.#open && this.#id !== undefined) this.#port.deliver({ type, connection: this.#id, lane })
    })
  }
}
