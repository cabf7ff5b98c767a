/**
 * The network driver on real sockets: js-libp2p over TCP with Noise and Yamux for the lanes `control` and
 * `stream`, one UDP socket in a thread of its own for `datagram` (see the driver contract in `@causeway/protocol`).
 *
 * libp2p is used as a secure, multiplexed connection and nothing else: it never dials, pings, prunes or times out
 * a connection by itself, because the machine decides which connections live.
 *
 *  1. The dialler opens both lanes; `connected` is reported on each side once it holds both.
 *  2. A dial ends in exactly one `connected` or `dialFailed`, within `DIAL_MS_MAX`.
 *  3. Two dials of one address are two connections; they wait for each other, since libp2p would merge them.
 *  4. No fault of a socket or a peer escapes as an unhandled rejection or error event.
 */
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { ConnectionId, Limits, NetworkEffect, NetworkInput } from '@causeway/protocol'
import type { DatagramDrops } from './datagram-drops.ts'
import { Datagrams } from './datagrams.ts'
import { type HostPort, formatHostPort, parseHostPort } from './host-port.ts'
import { createTransportHost, listenPort, multiaddrOf, remoteOf, addressesOf } from './libp2p-host.ts'
import { NetworkConnection, STREAM_LANES, type StreamLane, asError } from './network-connection.ts'
import type { Pulse } from './pulse.ts'

const DIAL_MS_MAX = 5_000
/** A peer that connects must open its lanes within this. */
const LANES_MS_MAX = 10_000
/** A free TCP port whose number is taken on UDP: choose again, but not for ever. */
const PORT_CHOICES = 8

const PROTOCOLS: Readonly<Record<StreamLane, string>> = { control: '/causeway/control/1', stream: '/causeway/stream/1' }

export interface Libp2pNetworkOptions {
  /** Ed25519: seed and public key, 64 bytes. */
  readonly privateKey: Uint8Array
  readonly listen: { readonly tcp: HostPort; readonly udp: HostPort | null }
  readonly limits: Limits
  /** Of this thread: what replies to probes say about it. */
  readonly pulse: Pulse
  readonly onInput: (input: NetworkInput) => void
  /** Called at most once: the datagram lane is gone, until the process is started again; the other lanes go on. */
  readonly onDatagramsLost?: (cause: Error) => void
}

interface HalfOpen {
  readonly streams: Partial<Record<StreamLane, Stream>>
  readonly timer: NodeJS.Timeout
}

export class Libp2pNetwork {
  readonly #options: Libp2pNetworkOptions
  readonly #host: Libp2p
  readonly #datagrams: Datagrams | null
  readonly #connections = new Map<ConnectionId, NetworkConnection>()
  readonly #halfOpen = new Map<Connection, HalfOpen>()
  /** The last dial of an address (as libp2p sees it); the next one waits for it. */
  readonly #dials = new Map<string, Promise<void>>()
  #lastId = 0
  #stopped = false

  private constructor(options: Libp2pNetworkOptions, host: Libp2p, datagrams: Datagrams | null) {
    this.#options = options
    this.#host = host
    this.#datagrams = datagrams
  }

  /** Listens and begins to report. Throws `port-in-use` or `config-invalid`, naming the address and the key. */
  static async start(options: Libp2pNetworkOptions): Promise<Libp2pNetwork> {
    const { tcp, udp } = options.listen
    for (let choice = 1; ; choice++) {
      const host = await createTransportHost(privateKeyFromRaw(options.privateKey), tcp)
      let datagrams: Datagrams | null = null
      try {
        const udpPort = udp?.port === 0 ? listenPort(host) : udp?.port
        datagrams = udp && udpPort !== undefined ? await openDatagrams(options, { host: udp.host, port: udpPort }) : null
        const network = new Libp2pNetwork(options, host, datagrams)
        await network.#listen()
        return network
      } catch (error) {
        await Promise.all([host.stop(), datagrams?.close()])
        if (tcp.port !== 0 || udp?.port !== 0 || choice === PORT_CHOICES) throw error
      }
    }
  }

  /** Where this node listens, with the ports that were chosen. */
  get addresses(): { readonly tcp: string; readonly udp: string | null } {
    const { tcp, udp } = this.#options.listen
    return {
      tcp: formatHostPort({ host: tcp.host, port: listenPort(this.#host) }),
      udp: udp && this.#datagrams ? formatHostPort({ host: udp.host, port: this.#datagrams.port }) : null,
    }
  }

  get droppedDatagrams(): DatagramDrops | null {
    return this.#datagrams?.dropped ?? null
  }

  /** Carries out one effect. Never throws for the state of the network. */
  apply(effect: NetworkEffect): void {
    switch (effect.type) {
      case 'dial':
        void this.#dial(effect.address)
        return
      case 'send':
        this.#connections.get(effect.connection)?.send(effect.lane, effect.message)
        return
      case 'probe':
        this.#connections.get(effect.connection)?.probe(effect.probe)
        return
      case 'openLanes':
        this.#connections.get(effect.connection)?.openLanes(effect)
        return
      case 'close':
        this.#connections.get(effect.connection)?.close(effect.reason)
        return
    }
  }

  /** Closes every connection and socket. Nothing is reported any more once it has begun. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    for (const connection of this.#connections.values()) connection.close('this node stops')
    this.#stopped = true
    for (const { timer } of this.#halfOpen.values()) clearTimeout(timer)
    await Promise.allSettled([this.#host.stop(), this.#datagrams?.close()])
  }

  async #listen(): Promise<void> {
    this.#host.addEventListener('connection:open', ({ detail }) => this.#expectLanes(detail))
    for (const lane of STREAM_LANES) {
      await this.#host.handle(PROTOCOLS[lane], (stream, connection) => this.#laneOpened(lane, stream, connection), {
        maxInboundStreams: 1,
        maxOutboundStreams: 1,
      })
    }
  }

  /** A peer connected: it has a while to open its lanes. */
  #expectLanes(connection: Connection): void {
    if (connection.direction !== 'inbound' || this.#halfOpen.has(connection)) return
    const timer = setTimeout(() => connection.abort(new Error('the peer did not open its lanes')), LANES_MS_MAX)
    this.#halfOpen.set(connection, { streams: {}, timer })
    connection.addEventListener('close', () => this.#forgetHalfOpen(connection))
  }

  #forgetHalfOpen(connection: Connection): void {
    clearTimeout(this.#halfOpen.get(connection)?.timer)
    this.#halfOpen.delete(connection)
  }

  #laneOpened(lane: StreamLane, stream: Stream, connection: Connection): void {
    const half = this.#halfOpen.get(connection)
    if (!half || half.streams[lane] || this.#stopped) {
      stream.abort(new Error('lanes are opened once, by the dialler'))
      return
    }
    half.streams[lane] = stream
    const { control, stream: bulk } = half.streams
    if (!control || !bulk) return
    this.#forgetHalfOpen(connection)
    this.#opened(connection, { control, stream: bulk }, undefined)
  }

  async #dial(address: string): Promise<void> {
    const signal = AbortSignal.timeout(DIAL_MS_MAX)
    try {
      const target = parseHostPort(address)
      if (!target || target.port === 0) throw new Error('it is not an address of the form host:port')
      const hosts = await addressesOf(target.host, signal)
      let last: unknown = new Error('its name has no address')
      for (const host of hosts) {
        try {
          await this.#dialOne({ host, port: target.port }, address, signal)
          return
        } catch (error) {
          last = error
        }
      }
      throw last
    } catch (cause) {
      if (this.#stopped) return
      const reason = signal.aborted ? `no answer within ${DIAL_MS_MAX / 1000} s` : asError(cause).message
      this.#options.onInput({ type: 'dialFailed', address, reason })
    }
  }

  async #dialOne(target: HostPort, address: string, signal: AbortSignal): Promise<void> {
    const to = multiaddrOf(target)
    const before = this.#dials.get(to)
    const turn = Promise.withResolvers<void>()
    this.#dials.set(to, turn.promise)
    try {
      await before
      const connection = await this.#host.dial(multiaddr(to), { force: true, signal })
      turn.resolve()
      try {
        const open = (lane: StreamLane): Promise<Stream> => connection.newStream(PROTOCOLS[lane], { signal, maxOutboundStreams: 1 })
        const [control, stream] = await Promise.all([open('control'), open('stream')])
        if (this.#stopped) throw new Error('this node stops')
        this.#opened(connection, { control, stream }, { address, target })
      } catch (error) {
        connection.abort(asError(error))
        throw error
      }
    } finally {
      turn.resolve()
      if (this.#dials.get(to) === turn.promise) this.#dials.delete(to)
    }
  }

  #opened(connection: Connection, streams: Record<StreamLane, Stream>, dialled: { address: string; target: HostPort } | undefined): void {
    const publicKey = connection.remotePeer.publicKey
    if (publicKey?.type !== 'Ed25519') {
      connection.abort(new Error('the peer has no Ed25519 identity'))
      return
    }
    const id = ++this.#lastId
    // UDP has the port number of TCP, by convention; for who dialled us, the first datagram tells.
    const datagramKey = this.#datagrams?.associate(id, dialled?.target) ?? null
    const opened = new NetworkConnection({
      id,
      connection,
      streams,
      peerKey: publicKey.raw,
      address: dialled?.address,
      remote: remoteOf(connection),
      datagrams: this.#datagrams,
      datagramKey,
      limits: this.#options.limits,
      emit: (input) => {
        if (!this.#stopped) this.#options.onInput(input)
      },
      onEnd: () => this.#connections.delete(id),
    })
    this.#connections.set(id, opened)
    opened.start()
  }
}

function openDatagrams({ pulse, onInput, onDatagramsLost }: Libp2pNetworkOptions, listen: HostPort): Promise<Datagrams> {
  return Datagrams.open({ listen, pulse, onInput, onLost: (cause) => onDatagramsLost?.(cause) })
}
