/**
 * The network driver on real sockets: js-libp2p over TCP with Noise and Yamux for the lane `control`, a TCP socket of its
 * own for `stream` (`stream-lane.ts`), one UDP socket in a thread of its own for `datagram` (see the driver contract in
 * `@causeway/protocol`).
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
import type { Connection, Libp2p, MultiaddrConnection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { randomBytes } from 'node:crypto'
import type { ConnectionId, Limits, NetworkEffect, NetworkInput, StreamKey } from '@causeway/protocol'
import type { DatagramDrops } from './datagram-drops.ts'
import { Datagrams } from './datagrams.ts'
import { dialFault } from './dial-fault.ts'
import { type CallerCounts, Doorkeeper } from './doorkeeper.ts'
import { firstToWork } from './first-to-work.ts'
import { type HostPort, formatHostPort, parseHostPort } from './host-port.ts'
import { knockOf } from './knock.ts'
import { createTransportHost, listenPort, multiaddrOf, remoteOf, addressesOf, type LocalAddresses } from './libp2p-host.ts'
import { NetworkConnection, STREAM_LANES, type StreamedLane, asError } from './network-connection.ts'
import { createNodeCrypto } from './node-crypto.ts'
import type { Pulse } from './pulse.ts'
import { type StreamDrops, StreamListener } from './stream-listener.ts'
import { type StreamCrypto, TOKEN_BYTES } from './stream-socket.ts'

/** For TCP: a host that does not answer by then is not there. */
const ANSWER_MS_MAX = 5_000
const RESOLVE_MS_MAX = 1_000
/** With the handshake: a hub to which 500 gateways return at once takes its time. */
const DIAL_MS_MAX = 15_000
/** Addresses of names that worked and are remembered. */
const REMEMBERED_MAX = 1_024
/** A peer that connects must open its lanes within this. */
const LANES_MS_MAX = 10_000
/** A free TCP port whose number is taken on UDP: choose again, but not for ever. */
const PORT_CHOICES = 8

/** What libp2p says of a dial when the other end has accepted it. */
const TCP_STANDS = 'upgrader:encrypt-outbound-connection'
const SEED_BYTES = 32
const KEY_BYTES = 32

const PROTOCOLS: Readonly<Record<StreamedLane, string>> = { control: '/causeway/control/1', stream: '/causeway/stream/1' }

export interface Libp2pNetworkOptions {
  /** Ed25519: seed and public key, 64 bytes. */
  readonly privateKey: Uint8Array
  /** Ed25519 public key of the authority, 32 bytes: who knows it is let in before strangers. */
  readonly authorityKey: Uint8Array
  readonly listen: { readonly tcp: HostPort; readonly udp: HostPort | null; readonly stream: HostPort | null }
  readonly limits: Limits
  /** Of this thread: what replies to probes say about it. */
  readonly pulse: Pulse
  readonly onInput: (input: NetworkInput) => void
  /** Called at most once: the datagram lane is gone, until the process is started again; the other lanes go on. */
  readonly onDatagramsLost?: (cause: Error) => void
  /** Called at most once for a connection: bulk shares it with control messages until the port can be reached. */
  readonly onStreamUnreachable?: (address: string, reason: string) => void
}

/** What `start` has opened. */
interface Sockets {
  readonly host: Libp2p
  readonly dialledFrom: Map<string, LocalAddresses>
  readonly doorkeeper: Doorkeeper
  readonly datagrams: Datagrams | null
  readonly streams: StreamListener | null
}

/** What was dialled: as the machine said it, and as it turned out to be. */
interface Dialled {
  readonly address: string
  readonly target: HostPort
  /** The local address that it was dialled from, if one was named. */
  readonly from: string | undefined
}

interface Connected {
  readonly connection: Connection
  readonly target: HostPort
  /** The local address that worked, if any was named. */
  readonly local: string | undefined
}

interface HalfOpen {
  readonly streams: Partial<Record<StreamedLane, Stream>>
  readonly timer: NodeJS.Timeout
}

export class Libp2pNetwork {
  readonly #options: Libp2pNetworkOptions
  readonly #host: Libp2p
  readonly #datagrams: Datagrams | null
  readonly #streams: StreamListener | null
  readonly #crypto: StreamCrypto
  readonly #connections = new Map<ConnectionId, NetworkConnection>()
  readonly #halfOpen = new Map<Connection, HalfOpen>()
  readonly #doorkeeper: Doorkeeper
  /** The last dial of an address (as libp2p sees it); the next one waits for it. */
  readonly #dials = new Map<string, Promise<void>>()
  /** Where the dial of an address that is under way is to come from. */
  readonly #dialledFrom: Map<string, LocalAddresses>
  /** By name: the address that worked last. */
  readonly #lastWorked = new Map<string, string>()
  #lastId = 0
  #stopped = false

  private constructor(options: Libp2pNetworkOptions, { host, dialledFrom, doorkeeper, datagrams, streams }: Sockets) {
    this.#options = options
    this.#doorkeeper = doorkeeper
    this.#dialledFrom = dialledFrom
    this.#host = host
    this.#datagrams = datagrams
    this.#streams = streams
    this.#crypto = createNodeCrypto(options.privateKey.subarray(0, SEED_BYTES))
  }

  /** Listens and begins to report. Throws `port-in-use` or `config-invalid`, naming the address and the key. */
  static async start(options: Libp2pNetworkOptions): Promise<Libp2pNetwork> {
    const { tcp, udp, stream } = options.listen
    for (let choice = 1; ; choice++) {
      const dialledFrom = new Map<string, LocalAddresses>()
      const knock = knockOf(options.authorityKey)
      const doorkeeper = new Doorkeeper(knock)
      const admit = (connection: MultiaddrConnection): Promise<boolean> => doorkeeper.admit(connection)
      const host = await createTransportHost(privateKeyFromRaw(options.privateKey), tcp, { dialledFrom, knock, admit })
      let datagrams: Datagrams | null = null
      let streams: StreamListener | null = null
      try {
        const udpPort = udp?.port === 0 ? listenPort(host) : udp?.port
        datagrams = udp && udpPort !== undefined ? await openDatagrams(options, { host: udp.host, port: udpPort }) : null
        streams = stream && (await StreamListener.start(stream))
        const network = new Libp2pNetwork(options, { host, dialledFrom, doorkeeper, datagrams, streams })
        await network.#listen()
        doorkeeper.open()
        return network
      } catch (error) {
        streams?.stop()
        await Promise.all([host.stop(), datagrams?.close()])
        if (tcp.port !== 0 || udp?.port !== 0 || choice === PORT_CHOICES) throw error
      }
    }
  }

  /** Where this node listens, with the ports that were chosen. */
  get addresses(): { readonly tcp: string; readonly udp: string | null; readonly stream: string | null } {
    const { tcp, udp, stream } = this.#options.listen
    return {
      tcp: formatHostPort({ host: tcp.host, port: listenPort(this.#host) }),
      udp: udp && this.#datagrams ? formatHostPort({ host: udp.host, port: this.#datagrams.port }) : null,
      stream: stream && this.#streams ? formatHostPort({ host: stream.host, port: this.#streams.port }) : null,
    }
  }

  get droppedDatagrams(): DatagramDrops | null {
    return this.#datagrams?.dropped ?? null
  }

  /** Who has connected to this node, by what they said first. */
  get callers(): Readonly<CallerCounts> {
    return this.#doorkeeper.callers
  }

  get droppedStreams(): Readonly<StreamDrops> | null {
    return this.#streams?.dropped ?? null
  }

  /** Carries out one effect. Never throws for the state of the network. */
  apply(effect: NetworkEffect): void {
    switch (effect.type) {
      case 'dial':
        void this.#dial(effect)
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
    this.#streams?.stop()
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

  #laneOpened(lane: StreamedLane, stream: Stream, connection: Connection): void {
    const half = this.#halfOpen.get(connection)
    if (!half || half.streams[lane] || this.#stopped) {
      stream.abort(new Error('lanes are opened once, by the dialler'))
      return
    }
    half.streams[lane] = stream
    const { control, stream: bulk } = half.streams
    if (!control || !bulk) return
    this.#forgetHalfOpen(connection)
    this.#doorkeeper.leave(remoteOf(connection))
    this.#opened(connection, { control, stream: bulk }, undefined)
  }

  async #dial({ address, others = [], from }: Extract<NetworkEffect, { type: 'dial' }>): Promise<void> {
    const signal = AbortSignal.timeout(DIAL_MS_MAX)
    try {
      const { connection, target, local } = await this.#connect([address, ...others], from, signal)
      try {
        const open = (lane: StreamedLane): Promise<Stream> => connection.newStream(PROTOCOLS[lane], { signal, maxOutboundStreams: 1 })
        const [control, stream] = await Promise.all([open('control'), open('stream')])
        if (this.#stopped) throw new Error('this node stops')
        this.#opened(connection, { control, stream }, { address, target, from: local })
      } catch (error) {
        connection.abort(asError(error))
        throw error
      }
    } catch (cause) {
      if (this.#stopped) return
      const reason = signal.aborted ? `no answer within ${DIAL_MS_MAX / 1000} s` : dialFault(asError(cause))
      this.#options.onInput({ type: 'dialFailed', address, reason })
    }
  }

  /** To the first address of that node that takes us; the one that did last time has a head start. */
  async #connect(addresses: readonly string[], from: readonly string[] | undefined, signal: AbortSignal): Promise<Connected> {
    const [name = ''] = addresses
    const last = this.#lastWorked.get(name)
    const found = await targetsOf(addresses, signal)
    const targets = found.toSorted((one, other) => Number(formatHostPort(other) === last) - Number(formatHostPort(one) === last))
    const connected = await firstToWork(
      targets,
      (target, givenUp) => this.#connectTo(target, from, AbortSignal.any([signal, givenUp])),
      ({ connection }) => connection.abort(new Error('another address of the same node was quicker')),
    )
    if (found.length > 1) this.#remember(name, formatHostPort(connected.target))
    return connected
  }

  #remember(name: string, address: string): void {
    this.#lastWorked.delete(name)
    this.#lastWorked.set(name, address)
    const oldest = this.#lastWorked.keys().next().value
    if (this.#lastWorked.size > REMEMBERED_MAX && oldest !== undefined) this.#lastWorked.delete(oldest)
  }

  async #connectTo(target: HostPort, from: readonly string[] | undefined, signal: AbortSignal): Promise<Connected> {
    const to = multiaddrOf(target)
    const before = this.#dials.get(to)
    const turn = Promise.withResolvers<void>()
    this.#dials.set(to, turn.promise)
    const noAnswer = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const onProgress = ({ type }: { readonly type: string }): void => {
      if (type === TCP_STANDS) clearTimeout(timer)
    }
    try {
      await before
      timer = setTimeout(() => noAnswer.abort(), ANSWER_MS_MAX)
      const locals: LocalAddresses | undefined = from && { candidates: from }
      if (locals) this.#dialledFrom.set(to, locals)
      const options = { force: true, signal: AbortSignal.any([signal, noAnswer.signal]), onProgress }
      return { connection: await this.#host.dial(multiaddr(to), options), target, local: locals?.used }
    } catch (error) {
      if (noAnswer.signal.aborted) throw new Error(`no answer within ${ANSWER_MS_MAX / 1000} s`, { cause: error })
      throw error
    } finally {
      clearTimeout(timer)
      this.#dialledFrom.delete(to)
      turn.resolve()
      if (this.#dials.get(to) === turn.promise) this.#dials.delete(to)
    }
  }

  #opened(connection: Connection, streams: Record<StreamedLane, Stream>, dialled: Dialled | undefined): void {
    const publicKey = connection.remotePeer.publicKey
    if (publicKey?.type !== 'Ed25519') {
      connection.abort(new Error('the peer has no Ed25519 identity'))
      return
    }
    const id = ++this.#lastId
    // UDP has the port number of TCP, by convention; for who dialled us, the first datagram tells.
    const datagramKey = this.#datagrams?.associate(id, dialled?.target, dialled?.from) ?? null
    const opened = new NetworkConnection({
      id,
      connection,
      streams,
      peerKey: publicKey.raw,
      address: dialled?.address,
      host: dialled?.target.host,
      from: dialled?.from,
      remote: remoteOf(connection),
      datagrams: this.#datagrams,
      datagramKey,
      streamKey: this.#streamKey(dialled !== undefined),
      streamListener: this.#streams,
      crypto: this.#crypto,
      limits: this.#options.limits,
      emit: (input) => {
        if (!this.#stopped) this.#options.onInput(input)
      },
      onStreamUnreachable: (at, reason) => this.#options.onStreamUnreachable?.(formatHostPort(at), reason),
      onEnd: () => this.#connections.delete(id),
    })
    this.#connections.set(id, opened)
    opened.start()
  }

  /** The peer of a connection that we dialled cannot be expected to reach us, and need not. */
  #streamKey(dialled: boolean): StreamKey | null {
    if (!this.#streams) return null
    const port = dialled ? 0 : this.#streams.port
    return { port, token: new Uint8Array(randomBytes(TOKEN_BYTES)), key: new Uint8Array(randomBytes(KEY_BYTES)) }
  }
}

function openDatagrams({ pulse, onInput, onDatagramsLost }: Libp2pNetworkOptions, listen: HostPort): Promise<Datagrams> {
  return Datagrams.open({ listen, pulse, onInput, onLost: (cause) => onDatagramsLost?.(cause) })
}

/** Where those addresses lead; throws for the first that cannot be told if none can. */
async function targetsOf(addresses: readonly string[], signal: AbortSignal): Promise<HostPort[]> {
  // One name that nobody resolves must not hold up the other addresses.
  const inTime = addresses.length > 1 ? AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS_MAX)]) : signal
  const resolved = await Promise.allSettled(
    addresses.map(async (address) => {
      const named = parseHostPort(address)
      if (!named || named.port === 0) throw new Error('it is not an address of the form host:port')
      return (await addressesOf(named.host, inTime)).map((host) => ({ host, port: named.port }))
    }),
  )
  const targets = resolved.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  const [first] = resolved
  if (targets.length === 0 && first?.status === 'rejected') throw first.reason
  const known = new Set<string>()
  return targets.filter((target) => known.size < known.add(formatHostPort(target)).size)
}
