/**
 * A libp2p node reduced to what Causeway wants of it: TCP, Noise and Yamux. Every default that acts on its own
 * (pings, pruning, idle timers, rate limits) is switched off here, with the reason.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Libp2p, MultiaddrConnection, PrivateKey } from '@libp2p/interface'
import { type TCPOptions, tcp } from '@libp2p/tcp'
import { CausewayError } from '@causeway/protocol'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { firstToWork } from './first-to-work.ts'
import { type HostPort, formatHostPort } from './host-port.ts'
import { PLAIN_HANDSHAKE } from './knock.ts'
import { asError } from './network-connection.ts'
import { singleWriteNoise } from './single-write-noise.ts'

/** libp2p's limits protect a public peer-to-peer node; ours are peers of one network, and they all return at once. */
const UNLIMITED = 1_000_000
/** 500 handshakes at 8 ms each on one core must not time each other out. */
const UPGRADE_MS_MAX = 30_000
/** Yamux takes its flow window from us (it only grows it by pinging): 2 MiB fills 80 Mbit/s at 200 ms. */
const WINDOW_BYTES = 2 * 1024 * 1024
/** Connections that the kernel completes while the event loop is busy. */
const BACKLOG = 4096

/** A line that is dead costs a dial this long; a slow one needs less for its handshakes. */
const NEXT_LINE_MS = 1_000

/** Where a dial comes from. */
export interface LocalAddresses {
  readonly candidates: readonly string[]
  /** The one that worked. */
  used?: string
}

export interface TransportHostOptions {
  /** Where dials come from, by what is dialled. @default any local address */
  readonly dialledFrom?: ReadonlyMap<string, LocalAddresses>
  /** The name of the handshake that is asked for first; the plain one is taken from nodes that know no other. */
  readonly knock?: string
  /** Asked of everyone who connects; who is not admitted is disconnected. @default everybody at once */
  readonly admit?: (connection: MultiaddrConnection) => Promise<boolean>
}

/** Starts listening. Throws `port-in-use` or `config-invalid`. */
export async function createTransportHost(
  privateKey: PrivateKey,
  listen: HostPort,
  { dialledFrom = new Map(), knock, admit }: TransportHostOptions = {},
): Promise<Libp2p> {
  try {
    return await createLibp2p({
      privateKey,
      addresses: { listen: [multiaddrOf(listen)] },
      transports: [
        tcpFrom(dialledFrom, {
          backlog: BACKLOG,
          // 0 is "never": liveness is the machine's business.
          inboundSocketInactivityTimeout: 0,
          outboundSocketInactivityTimeout: 0,
          dialOpts: { noDelay: true },
          listenOpts: { noDelay: true },
        }),
      ],
      connectionEncrypters: [...(knock === undefined ? [] : [knock]), PLAIN_HANDSHAKE].map(singleWriteNoise),
      streamMuxers: [
        yamux({
          enableKeepAlive: false,
          maxInboundStreams: 8,
          maxOutboundStreams: 8,
          streamOptions: { initialStreamWindowSize: WINDOW_BYTES, maxStreamWindowSize: WINDOW_BYTES },
        }),
      ],
      connectionManager: {
        maxConnections: UNLIMITED,
        maxIncomingPendingConnections: UNLIMITED,
        inboundConnectionThreshold: UNLIMITED,
        maxDialQueueLength: UNLIMITED,
        // A dial of a dead address must not keep another one waiting.
        maxParallelDials: UNLIMITED,
        reconnectRetries: 0,
        inboundUpgradeTimeout: UPGRADE_MS_MAX,
        inboundStreamProtocolNegotiationTimeout: UPGRADE_MS_MAX,
        outboundStreamProtocolNegotiationTimeout: UPGRADE_MS_MAX,
        dialTimeout: UPGRADE_MS_MAX,
        addressDialTimeout: UPGRADE_MS_MAX,
      },
      connectionMonitor: { enabled: false },
      ...(admit && { connectionGater: { denyInboundConnection: async (connection) => !(await admit(connection)) } }),
    })
  } catch (cause) {
    throw listenError(asError(cause), listen)
  }
}

/** libp2p hands no option of ours to a dial of its transport, so this looks for itself. */
function tcpFrom(dialledFrom: ReadonlyMap<string, LocalAddresses>, options: TCPOptions): ReturnType<typeof tcp> {
  return (components) => {
    const transport = tcp(options)(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (to, given) => {
      const locals = dialledFrom.get(to.toString())
      if (!locals) return await dial(to, given)
      const attempt = async (localAddress: string, givenUp: AbortSignal): Promise<{ connection: Connection; localAddress: string }> => {
        const signal = given.signal ? AbortSignal.any([given.signal, givenUp]) : givenUp
        // `localAddress` goes on to `net.connect`.
        return { connection: await dial(to, { ...given, signal, ...{ localAddress } }), localAddress }
      }
      const discard = ({ connection }: { connection: Connection }): void => connection.abort(new Error('another line was quicker'))
      const { connection, localAddress } = await firstToWork(locals.candidates, attempt, discard, NEXT_LINE_MS)
      locals.used = localAddress
      return connection
    }
    return transport
  }
}

function listenError(cause: Error, listen: HostPort): CausewayError {
  const address = formatHostPort(listen)
  if (cause.message.includes('EADDRINUSE')) {
    return new CausewayError(
      'port-in-use',
      `TCP ${address} is in use`,
      'stop the program that uses it, or set another port in listen.tcp',
      { cause },
    )
  }
  const fault = /E[A-Z]{4,}[^\n]*/.exec(cause.message)?.[0] ?? cause.message.split('\n')[0]
  return new CausewayError('config-invalid', `cannot listen on TCP ${address}: ${fault}`, 'set listen.tcp to an address of this machine', {
    cause,
  })
}

/** The port that was chosen, if 0 was asked for. */
export function listenPort(host: Libp2p): number {
  for (const address of host.getMultiaddrs()) {
    const port = componentOf(address, 'tcp')
    if (port !== undefined) return Number(port)
  }
  throw new CausewayError('config-invalid', 'this node listens on no TCP address', 'set listen.tcp to an address of this machine')
}

/** The text form that libp2p dials and listens on; the host must be an IP address. */
export function multiaddrOf(address: HostPort): string {
  return `/${isIP(address.host) === 6 ? 'ip6' : 'ip4'}/${address.host}/tcp/${address.port}`
}

/** Where the peer is, for people: `host:port`. */
export function remoteOf(connection: Pick<Connection, 'remoteAddr'>): string {
  const address = connection.remoteAddr
  const host = componentOf(address, 'ip4') ?? componentOf(address, 'ip6')
  return host === undefined ? address.toString() : formatHostPort({ host, port: Number(componentOf(address, 'tcp')) })
}

function componentOf(address: Multiaddr, name: string): string | undefined {
  return address.getComponents().find((component) => component.name === name)?.value
}

/** The IP addresses of a host, in the order in which they should be tried. */
export async function addressesOf(host: string, signal: AbortSignal): Promise<string[]> {
  if (isIP(host) !== 0) return [host]
  const timeout = Promise.withResolvers<never>()
  const giveUp = (): void => timeout.reject(new Error(`its name was not resolved in time`))
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const found = await Promise.race([lookup(host, { all: true }), timeout.promise])
    return found.map((entry) => entry.address)
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
