/**
 * A channel: a connection of messages between two nodes, over whatever paths there are. It survives the death of any
 * link and relay as long as one path works; it ends when a side finishes or resets it, when the peer has forgotten it,
 * or when no path has worked for `channelDeadMs`.
 *
 * Of class `ordered` all messages arrive, in order. Of `latest` and `twin` only the first, which names the service, is
 * sent until it has arrived; the others are sent once, `twin` over two paths at once.
 *
 *  1. After `ended` a channel sends and delivers nothing.
 *  2. The first message of the opener names the service; it is resent like any other, so that opening needs no
 *     round trip of its own.
 *  3. A finished channel lingers, so that a lost last acknowledgement can be repeated.
 *  4. When the peer's process has been replaced, the channel ends, unless the peer has never said anything in it: then it goes
 *     on with the new one. Only a message of the last moments may reach both, as with TCP Fast Open (RFC 7413 §2.1).
 *  5. What many packets of one turn ask for is done once, at `flush`: one ack for each way, one look at what may go out.
 */
import {
  type ChannelView,
  type FrameClass,
  type Instant,
  type Limits,
  type Machine,
  type NodeId,
  type Wake,
  after,
  earliest,
} from '@causeway/protocol'
import type { ChannelPacket } from './channel-packet.ts'
import { DatagramReceiver } from './datagram-receiver.ts'
import { DatagramSender } from './datagram-sender.ts'
import type { Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import { type Arrival, Receiver } from './receiver.ts'
import type { Segment } from './segment.ts'
import { Sender } from './sender.ts'

const LINGER_MS = 3_000

export type ChannelInput =
  | Wake
  | { readonly type: 'packet'; readonly packet: ChannelPacket; readonly arrival: Arrival }
  /** The packets of this turn have all come. */
  | { readonly type: 'flush' }
  | { readonly type: 'write'; readonly messages: readonly Uint8Array[] }
  /** So many delivered bytes wait for the program now, or, if negative, no longer. */
  | { readonly type: 'unread'; readonly bytes: number }
  | { readonly type: 'finish' }
  | { readonly type: 'reset'; readonly reason: string }
  /** Own links, the plan, or the keys have changed. */
  | { readonly type: 'pathsChanged' }

export type ChannelEffect =
  | { readonly type: 'packet'; readonly route: readonly NodeId[]; readonly packet: ChannelPacket }
  | { readonly type: 'messages'; readonly messages: readonly Uint8Array[] }
  /** More is waiting than the window holds: stop writing until `writable`. */
  | { readonly type: 'blocked' }
  | { readonly type: 'writable' }
  /** The peer will send no more. */
  | { readonly type: 'finished' }
  /** `reason` is `null` if both sides finished. */
  | { readonly type: 'ended'; readonly reason: string | null }

export interface ChannelIdentity {
  readonly self: NodeId
  readonly peer: NodeId
  /** The opener's number. */
  readonly channel: number
  readonly opener: boolean
  /** As the opener wants it; until it has said so, `ordered`. */
  readonly class: FrameClass
}

/** What a channel needs of its surroundings. */
export interface ChannelSurroundings {
  readonly limits: Limits
  /** There are keys to seal for the peer with. */
  ready(peer: NodeId): boolean
  /** When anything last came from the peer. */
  heardAt(peer: NodeId): Instant | undefined
  /** Grants so many bytes more of window, or not. */
  grow(bytes: number): boolean
}

export class Channel implements Machine<ChannelInput, ChannelEffect> {
  readonly identity: ChannelIdentity
  readonly paths: PathSet
  readonly #limits: Limits
  readonly #sender: Sender
  readonly #receiver: Receiver
  #class: FrameClass = 'ordered'
  #datagrams: { readonly sender: DatagramSender; readonly receiver: DatagramReceiver } | undefined
  #effects: ChannelEffect[] = []
  #blocked = false
  #ended = false
  #finishedTold = false
  #lingerUntil: Instant | undefined

  constructor(now: Instant, identity: ChannelIdentity, paths: PathSet, surroundings: ChannelSurroundings) {
    this.identity = identity
    this.paths = paths
    this.#limits = surroundings.limits
    const { channel, opener, peer, class: frameClass } = identity
    const common = { channel, fromOpener: opener }
    const output = {
      data: (path: Path, packet: number, { sequence, payload, endOfStream }: Segment): void => {
        const opening = !this.#sender.known
        this.#transmit(path.route, { kind: 'data', ...common, opening, packet, sequence, payload, endOfStream })
      },
      trial: (path: Path, packet: number): void =>
        this.#transmit(path.route, { kind: 'trial', ...common, opening: !this.#sender.known, packet }),
      ready: () => surroundings.ready(peer),
      heardAt: () => surroundings.heardAt(peer),
    }
    this.#sender = new Sender(now, paths, output, !opener, this.#limits)
    this.#receiver = new Receiver(this.#limits, (bytes) => surroundings.grow(bytes))
    this.become(frameClass)
  }

  get class(): FrameClass {
    return this.#class
  }

  /** The opener has told what kind of channel it is. */
  become(frameClass: FrameClass): void {
    this.#class = frameClass
    if (frameClass === 'ordered') return
    const { channel, opener } = this.identity
    const { paths } = this
    const sender = new DatagramSender({
      paths,
      twin: frameClass === 'twin',
      sender: this.#sender,
      emit: (path, packet) => this.#transmit(path.route, { kind: 'datagram', channel, fromOpener: opener, ...packet }),
    })
    this.#datagrams = { sender, receiver: new DatagramReceiver(frameClass) }
  }

  /** Acknowledges later, in company, over direct links, and waits as much longer for the peer's acknowledgements. */
  calm(): void {
    this.#sender.calm = true
    this.#receiver.calm = true
  }

  get isCalm(): boolean {
    return this.#receiver.calm
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Beyond what every channel has. */
  get grownBytes(): number {
    return this.#receiver.windowBytes - this.#limits.channelWindowBytes
  }

  /** Nothing more is to be expected: the owner may forget the channel. */
  gone(now: Instant): boolean {
    return this.#ended && (this.#lingerUntil === undefined || now >= this.#lingerUntil)
  }

  get figures(): Pick<ChannelView, 'bytesIn' | 'bytesOut' | 'resent' | 'dropped' | 'unacknowledgedBytes'> {
    return {
      bytesIn: this.#receiver.bytesReceived + (this.#datagrams?.receiver.bytesReceived ?? 0),
      bytesOut: this.#sender.bytesSent,
      resent: this.#sender.resent,
      dropped: (this.#datagrams?.sender.dropped ?? 0) + (this.#datagrams?.receiver.late ?? 0),
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
      case 'packet':
        return this.#packet(now, input.packet, input.arrival)
      case 'wake':
        this.#sender.wake(now)
        if (now >= this.#sender.deadAt) this.#end(`no path has worked for ${this.#limits.channelDeadMs / 1000} s`)
        break
      case 'write':
        this.#write(now, input.messages)
        break
      case 'unread':
        this.#receiver.unread(input.bytes)
        break
      case 'finish':
        this.#sender.finish(now)
        break
      case 'reset':
        this.#reset(input.reason)
        break
      case 'pathsChanged':
        this.#sender.pathsChanged(now)
        break
      case 'flush':
    }
    this.#settle(now)
  }

  /** After the end, repeat the last acknowledgement to a peer that has missed it. */
  #handleLingering(now: Instant, input: ChannelInput): void {
    if (this.#lingerUntil === undefined || input.type !== 'packet') return
    const { packet, arrival } = input
    if (packet.kind === 'data') this.#receiver.data(now, packet, arrival)
    else if (packet.kind === 'trial') this.#receiver.arrived(now, packet.packet, arrival, now)
    this.#sendAcks(now)
  }

  #packet(now: Instant, packet: ChannelPacket, arrival: Arrival): void {
    if (packet.kind !== 'gone') this.#sender.known = true
    switch (packet.kind) {
      case 'data':
        this.#deliver(this.#receiver.data(now, packet, arrival))
        if (this.#receiver.overflowed) this.#reset(`a message is longer than ${this.#limits.messageBytesMax} bytes`)
        break
      case 'datagram': {
        this.#receiver.arrived(now, packet.packet, arrival)
        const message = this.#datagrams?.receiver.packet(packet)
        if (message) this.#deliver([message])
        break
      }
      case 'trial':
        this.#receiver.arrived(now, packet.packet, arrival, now)
        break
      case 'ack':
        this.#sender.acknowledged(now, packet)
        break
      case 'reset':
        this.#end(`reset by the peer: ${packet.reason}`)
        break
      case 'gone':
        // A peer that has not heard of the channel yet may hear of it still: only what it knew can be gone.
        if (!this.#sender.known) break
        this.#end(this.#receiver.ended ? null : 'the peer does not know this channel (it may have restarted)')
    }
  }

  #deliver(messages: readonly Uint8Array[]): void {
    if (messages.length > 0) this.#effects.push({ type: 'messages', messages })
  }

  #write(now: Instant, messages: readonly Uint8Array[]): void {
    if (!this.#datagrams) return this.#sender.write(now, messages)
    for (const message of messages) this.#datagrams.sender.write(message)
  }

  /** Names the service: what the peer hears first, and the sure way, whatever the class. */
  name(now: Instant, message: Uint8Array): ChannelEffect[] {
    this.#sender.write(now, [message])
    return this.handle(now, { type: 'flush' })
  }

  #settle(now: Instant): void {
    if (this.#ended) return
    const sent = this.#sender.bytesSent
    this.#sender.pump(now)
    if (this.#sender.bytesSent > sent) this.#receiver.companyLeaves(now)
    // What is not sent again must not come before the channel is known.
    if (this.#sender.known) this.#datagrams?.sender.pump(now)
    this.#sendAcks(now)
    const { unacknowledgedBytes } = this.#sender
    const roomBytes = this.#sender.roomBytes(now)
    if (!this.#blocked && unacknowledgedBytes > roomBytes) {
      this.#blocked = true
      this.#effects.push({ type: 'blocked' })
    } else if (this.#blocked && unacknowledgedBytes < roomBytes / 2) {
      this.#blocked = false
      this.#effects.push({ type: 'writable' })
    }
    if (!this.#receiver.ended) return
    if (!this.#finishedTold) {
      this.#finishedTold = true
      this.#effects.push({ type: 'finished' })
    }
    if (this.#sender.complete) {
      this.#lingerUntil = after(now, LINGER_MS)
      this.#end(null)
    }
  }

  #sendAcks(now: Instant): void {
    const { channel, opener } = this.identity
    for (const { ack, way } of this.#receiver.takeAcks(now)) {
      this.#transmit(this.#usable(way), { kind: 'ack', channel, fromOpener: opener, ...ack })
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
    this.#sender.abandon()
    this.#effects.push({ type: 'ended', reason })
  }

  #transmit(route: readonly NodeId[], packet: ChannelPacket): void {
    this.#effects.push({ type: 'packet', route, packet })
  }

  nextWake(): Instant | undefined {
    if (this.#ended) return this.#lingerUntil
    return earliest(this.#sender.nextWake(), this.#receiver.ackAt)
  }
}
