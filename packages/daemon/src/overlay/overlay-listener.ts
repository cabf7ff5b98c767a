/**
 * Accepts the channels that nodes open to this node's overlay service, and hands each to libp2p once the peer at its
 * other end has proved its id. There is one address to listen on: the name of this node.
 */
import { setMaxListeners } from 'node:events'
import {
  type ComponentLogger,
  type Listener,
  type ListenerEvents,
  type PrivateKey,
  TypedEventEmitter,
  type Upgrader,
} from '@libp2p/interface'
import { CausewayError } from '@causeway/protocol'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ProgramChannel, Programs } from '../program-channel.ts'
import { nodeOf, overlayAddress } from './overlay-address.ts'
import { OverlayConnection } from './overlay-connection.ts'
import { exchangeIdentities } from './overlay-identity.ts'

export interface OverlayListenerInit {
  readonly programs: Programs
  readonly self: string
  readonly service: string
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
}

export class OverlayListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #init: OverlayListenerInit
  readonly #connections = new Set<OverlayConnection>()
  readonly #closing = new AbortController()
  #withdraw: (() => void) | undefined

  constructor(init: OverlayListenerInit) {
    super()
    this.#init = init
    // One for each connection that is being made, and no leak.
    setMaxListeners(Infinity, this.#closing.signal)
  }

  // oxlint-disable-next-line require-await -- what it throws must be a rejection
  async listen(address: Multiaddr): Promise<void> {
    const { programs, self, service } = this.#init
    if (nodeOf(address) !== self) {
      throw new CausewayError('config-invalid', `${address.toString()} is not this node`, `listen on ${overlayAddress(self).toString()}`)
    }
    this.#withdraw = programs.serve(service, (channel) => void this.#accept(channel))
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    return this.#withdraw ? [overlayAddress(this.#init.self)] : []
  }

  updateAnnounceAddrs(): void {}

  // oxlint-disable-next-line require-await
  async close(): Promise<void> {
    if (!this.#withdraw) return
    this.#withdraw()
    this.#withdraw = undefined
    const reason = new Error('the listener closes')
    this.#closing.abort(reason)
    for (const connection of this.#connections) connection.abort(reason)
    this.safeDispatchEvent('close')
  }

  async #accept(channel: ProgramChannel): Promise<void> {
    if (channel.class !== 'ordered') {
      channel.reset(`libp2p needs a channel of class ordered, not ${channel.class}`)
      return
    }
    const { self, privateKey, logger, upgrader } = this.#init
    const connection = new OverlayConnection({
      channel,
      self,
      remoteAddr: overlayAddress(channel.peer),
      direction: 'inbound',
      log: logger.forComponent('causeway:overlay:inbound'),
    })
    this.#connections.add(connection)
    connection.addEventListener('close', () => this.#connections.delete(connection))
    const signal = upgrader.createInboundAbortSignal(this.#closing.signal)
    try {
      const remotePeer = await exchangeIdentities(connection, { privateKey, signal })
      await upgrader.upgradeInbound(connection, { skipEncryption: true, remotePeer, signal })
    } catch (cause) {
      connection.abort(cause instanceof Error ? cause : new Error(String(cause)))
    } finally {
      signal.clear()
    }
  }
}
