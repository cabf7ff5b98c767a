/**
 * A channel: an ordered, reliable connection of messages between two nodes, over whatever paths there are.
 * It survives the death of any link and relay as long as one path works; it ends when a side finishes or resets
 * it, when the peer has forgotten it, or when no path has worked for `channelDeadMs`.
 *
 *  1. After `ended` a channel sends and delivers nothing.
 *  2. The first message of the opener names the service; it is resent like any other, so that opening needs no
 *     round trip of its own.
 *  3. A finished channel lingers, so that a lost last acknowledgement can be repeated.
 */
import {
  type Instant,
  type Limits,
  type Machine,
  type NodeId,
  type Wake,
  after,
  earliest,
  frameHeaderBytes,
  writeFrameHeader,
} from '@causeway/protocol'
import { type ChannelPacket, channelPacketBytes, writeChannelPacket } from './channel-packet.ts'
import type { Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import { Receiver } from './receiver.ts'
import { type Segment, Sender } from './sender.ts'

const LINGER_MS = 3_000

export type ChannelInput =
  | Wake
  | { readonly type: 'packet'; readonly packet: ChannelPacket; readonly wayBack: readonly NodeId[] }
  | { readonly type: 'write'; readonly message: Uint8Array }
  | { readonly type: 'finish' }
  | { readonly type: 'reset'; readonly reason: string }
  | { readonly type: 'pathsChanged' }

export type ChannelEffect =
  | { readonly type: 'frame'; readonly firstHop: NodeId; readonly frame: Uint8Array }
  | { readonly type: 'message'; readonly message: Uint8Array }
  /** More is waiting than the window holds: stop writing until `writable`. */
  | { readonly type: 'blocked' }
  | { readonly type: 'writable' }
  /** `reason` is `null` if both sides finished. */
  | { readonly type: 'ended'; readonly reason: string | null }

export interface ChannelIdentity {
  readonly self: NodeId
  readonly peer: NodeId
  /** The opener's number. */
  readonly channel: number
  readonly opener: boolean
}

export class Channel implements Machine<ChannelInput, ChannelEffect> {
  readonly identity: ChannelIdentity
  readonly paths: PathSet
  readonly #limits: Limits
  readonly #sender: Sender
  readonly #receiver: Receiver
  #effects: ChannelEffect[] = []
  #blocked = false
  #ended = false
  #lingerUntil: Instant | undefined

  constructor(now: Instant, identity: ChannelIdentity, paths: PathSet, limits: Limits) {
    this.identity = identity
    this.paths = paths
    this.#limits = limits
    const { channel, opener } = identity
    const common = { channel, fromOpener: opener }
    const output = {
      data: (path: Path, packet: number, { sequence, payload, endOfMessage, endOfStream }: Segment): void => {
        const opening = !this.#sender.known
        this.#transmit(path.route, { kind: 'data', ...common, opening, packet, sequence, payload, endOfMessage, endOfStream })
      },
      trial: (path: Path, packet: number): void =>
        this.#transmit(path.route, { kind: 'trial', ...common, opening: !this.#sender.known, packet }),
    }
    this.#sender = new Sender(now, paths, output, !opener, limits)
    this.#receiver = new Receiver(limits)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Nothing more is to be expected: the owner may forget the channel. */
  gone(now: Instant): boolean {
    return this.#ended && (this.#lingerUntil === undefined || now >= this.#lingerUntil)
  }

  get figures(): { bytesIn: number; bytesOut: number; resent: number; unacknowledgedBytes: number } {
    return {
      bytesIn: this.#receiver.bytesReceived,
      bytesOut: this.#sender.bytesSent,
      resent: this.#sender.resent,
      unacknowledgedBytes: this.#sender.unacknowledgedBytes,
    }
  }

  handle(now: Instant, input: ChannelInput): ChannelEffect[] {
    if (this.#ended) this.#handleLingering(now, input)
    else this.#handleLive(now, input)
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #handleLive(now: Instant, input: ChannelInput): void {
    switch (input.type) {
      case 'wake':
        this.#sender.wake(now)
        if (now >= this.#sender.deadAt) this.#end(`no path has worked for ${this.#limits.channelDeadMs / 1000} s`)
        break
      case 'packet':
        this.#packet(now, input.packet, input.wayBack)
        break
      case 'write':
        this.#sender.write(now, input.message)
        this.#sender.pump(now)
        break
      case 'finish':
        this.#sender.finish(now)
        this.#sender.pump(now)
        break
      case 'reset':
        this.#reset(input.reason)
        break
      case 'pathsChanged':
        this.#sender.pathsChanged(now)
    }
    this.#settle(now)
  }

  /** After the end, repeat the last acknowledgement to a peer that has missed it. */
  #handleLingering(now: Instant, input: ChannelInput): void {
    if (this.#lingerUntil === undefined || input.type !== 'packet') return
    const { packet, wayBack } = input
    if (packet.kind === 'data') this.#receiver.data(now, packet, wayBack)
    else if (packet.kind === 'trial') this.#receiver.trial(now, packet.packet, wayBack)
    this.#sendAck(now)
  }

  #packet(now: Instant, packet: ChannelPacket, wayBack: readonly NodeId[]): void {
    switch (packet.kind) {
      case 'data':
        for (const message of this.#receiver.data(now, packet, wayBack)) this.#effects.push({ type: 'message', message })
        if (this.#receiver.overflowed) this.#reset(`a message is longer than ${this.#limits.messageBytesMax} bytes`)
        break
      case 'trial':
        this.#receiver.trial(now, packet.packet, wayBack)
        break
      case 'ack':
        this.#sender.acknowledged(now, packet)
        this.#sender.pump(now)
        break
      case 'reset':
        this.#end(`reset by the peer: ${packet.reason}`)
        break
      case 'gone':
        // A peer that has not heard of the channel yet may hear of it still: only what it knew can be gone.
        if (this.identity.opener && !this.#sender.known) break
        this.#end(this.#receiver.ended ? null : 'the peer does not know this channel (it may have restarted)')
    }
  }

  #settle(now: Instant): void {
    if (this.#ended) return
    this.#sendAck(now)
    const waiting = this.#sender.unacknowledgedBytes
    if (!this.#blocked && waiting > this.#limits.channelWindowBytes) {
      this.#blocked = true
      this.#effects.push({ type: 'blocked' })
    } else if (this.#blocked && waiting < this.#limits.channelWindowBytes / 2) {
      this.#blocked = false
      this.#effects.push({ type: 'writable' })
    }
    if (this.#sender.complete && this.#receiver.ended) {
      this.#lingerUntil = after(now, LINGER_MS)
      this.#end(null)
    }
  }

  #sendAck(now: Instant): void {
    const due = this.#receiver.takeAck(now)
    if (!due) return
    const { channel, opener } = this.identity
    for (const way of due.ways) {
      this.#transmit(this.#usable(way), { kind: 'ack', channel, fromOpener: opener, ...due.ack })
    }
  }

  /** The way a packet came is the best way back, unless our own link to it has died since. */
  #usable(way: readonly NodeId[]): readonly NodeId[] {
    const known = this.paths.paths.find((path) => path.firstHop === way[0])
    if (known?.up || !known) return way
    return this.paths.choose()?.route ?? way
  }

  #reset(reason: string): void {
    const { channel, opener } = this.identity
    const path = this.paths.choose()
    if (path) this.#transmit(path.route, { kind: 'reset', channel, fromOpener: opener, reason })
    this.#end(reason)
  }

  #end(reason: string | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#effects.push({ type: 'ended', reason })
  }

  #transmit(route: readonly NodeId[], packet: ChannelPacket): void {
    const at = frameHeaderBytes(route.length)
    const frame = new Uint8Array(at + channelPacketBytes(packet))
    writeFrameHeader(frame, { source: this.identity.self, route })
    writeChannelPacket(frame, at, packet)
    this.#effects.push({ type: 'frame', firstHop: route[0] as NodeId, frame })
  }

  nextWake(): Instant | undefined {
    if (this.#ended) return this.#lingerUntil
    return earliest(this.#sender.nextWake(), this.#receiver.ackAt)
  }
}
