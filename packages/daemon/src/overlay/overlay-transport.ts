/**
 * The overlay as a transport of libp2p: what libp2p dials is a node by its name, what it gets is a channel. So any libp2p
 * protocol runs between any two nodes, through relays it does not know of, and goes on when one of them dies.
 *
 * A channel is sealed end to end already. The transport therefore proves the peer ids itself (`overlay-identity.ts`) and
 * passes the connection on as secured; what is under `connectionEncrypters` is for other transports and may
 * be left out. Muxers are libp2p's own, yamux for one. It needs a libp2p instance of the application: in the instance that
 * carries Causeway's own links, a dial would return the connection of the link.
 */
import { type Connection, type DialTransportOptions, type Listener, type Transport, transportSymbol } from '@libp2p/interface'
import type { ComponentLogger, CreateListenerOptions, PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import type { Programs } from '../program-channel.ts'
import { asError } from '../network-connection.ts'
import { nodeOf } from './overlay-address.ts'
import { OverlayConnection } from './overlay-connection.ts'
import { exchangeIdentities } from './overlay-identity.ts'
import { OverlayListener } from './overlay-listener.ts'

export interface OverlayTransportInit {
  /** Of the daemon. */
  readonly programs: Programs
  /** Name of this node, as in its credential: `Daemon.name`. */
  readonly self: string
  /**
   * The service that the channels are opened to; two libp2p instances on one node need two.
   * @default 'libp2p'
   */
  readonly service?: string
}

export interface OverlayTransportComponents {
  readonly logger: ComponentLogger
  readonly privateKey: PrivateKey
}

/** A value for `transports` of `createLibp2p`. Listens on `overlayAddress(self)`, dials `overlayAddress(node)`. */
export function overlayTransport(init: OverlayTransportInit): (components: OverlayTransportComponents) => Transport {
  return (components) => new OverlayTransport(components, init)
}

class OverlayTransport implements Transport {
  readonly [transportSymbol] = true
  readonly [Symbol.toStringTag] = '@causeway/overlay'
  readonly #components: OverlayTransportComponents
  readonly #init: Required<OverlayTransportInit>

  constructor(components: OverlayTransportComponents, init: OverlayTransportInit) {
    this.#components = components
    this.#init = { service: 'libp2p', ...init }
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    options.signal.throwIfAborted()
    const { programs, self, service } = this.#init
    const { logger, privateKey } = this.#components
    const connection = new OverlayConnection({
      channel: programs.open(nodeOf(address) ?? '', service),
      self,
      remoteAddr: address,
      direction: 'outbound',
      log: logger.forComponent('causeway:overlay:outbound'),
    })
    try {
      const id = address.getComponents().find(({ code }) => code === CODE_P2P)?.value
      const expected = id === undefined ? undefined : peerIdFromString(id)
      const remotePeer = await exchangeIdentities(connection, { privateKey, signal: options.signal, expected })
      return await options.upgrader.upgradeOutbound(connection, { ...options, skipEncryption: true, remotePeer })
    } catch (cause) {
      const error = connection.fault ?? asError(cause)
      connection.abort(error)
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    // libp2p's components are a proxy: nothing to spread.
    const { logger, privateKey } = this.#components
    return new OverlayListener({ ...this.#init, logger, privateKey, upgrader })
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => nodeOf(address) !== undefined)
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }
}
