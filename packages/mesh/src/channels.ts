/**
 * All channels of a node: opens them, finds the one a packet belongs to, accepts those that peers open, and puts what
 * they send into sealed frames.
 *
 *  1. A peer's channel is accepted once its first message, which names the service, has arrived; what the
 *     acceptor's program sees starts after it.
 *  2. A packet of an unknown channel is answered with `gone`, unless it is one that could open it.
 *  3. When a peer comes back with another incarnation, every channel with its former self ends.
 *  4. Nothing leaves that is not sealed for the peer: in a frame, or, from a calm channel, by the lane to it.
 */
import {
  AEAD_TAG_BYTES,
  type ChannelView,
  Deadlines,
  FRAME_CLASSES,
  type FrameClass,
  type Instant,
  type Limits,
  type NodeId,
  type Random,
  type ReportEffect,
  decodeRecord,
  encodeRecord,
  frameHeaderBytes,
  writeFrameHeader,
  after,
} from '@causeway/protocol'
import { SEALED_HEADER_BYTES } from './association-packet.ts'
import { Channel, type ChannelEffect, type ChannelInput, type ChannelSurroundings } from './channel.ts'
import { type ChannelPacket, channelPacketBytes, writeChannelPacket } from './channel-packet.ts'
import { writeNeighbourPacket } from './neighbour-packet.ts'
import type { PathSet } from './path-set.ts'
import type { Arrival } from './receiver.ts'

/** A local number of a channel, for the program that uses it. */
export type ChannelHandle = number

export type ChannelsEffect =
  | ReportEffect
  | { readonly type: 'frame'; readonly firstHop: NodeId; readonly frame: Uint8Array }
  | {
      readonly type: 'channelAccepted'
      readonly channel: ChannelHandle
      readonly peer: NodeId
      readonly service: string
      readonly class: FrameClass
    }
  | { readonly type: 'channelMessages'; readonly channel: ChannelHandle; readonly messages: readonly Uint8Array[] }
  | { readonly type: 'channelBlocked' | 'channelWritable' | 'channelFinished'; readonly channel: ChannelHandle }
  | { readonly type: 'channelEnded'; readonly channel: ChannelHandle; readonly reason: string | null }

/** Seals packets for peers with whom this node has agreed on keys. */
interface Sealer {
  ready(peer: NodeId): boolean
  /** Asks for keys, if there are none and none are on their way. */
  want(now: Instant, peer: NodeId): void
  /** Seals `frame[from, to)` in place; writes a header before it and a tag after it. False if there are no keys. */
  seal(now: Instant, peer: NodeId, frame: Uint8Array, from: number, to: number): boolean
}

/** So long after it was first heard of, a channel has been named, unless nobody is going to. */
const NAMED_MS = 10_000

interface Entry {
  readonly handle: ChannelHandle
  readonly key: number
  readonly channel: Channel
  /** `undefined` until the opener has named it. */
  service: string | undefined
  readonly since: Instant
  /** Packets came in this turn. */
  touched: boolean
}

export interface ChannelsConfig {
  readonly self: NodeId
  readonly limits: Limits
  readonly random: Random
  readonly sealer: Sealer
  readonly pathsTo: (peer: NodeId) => PathSet
  readonly nameOf: (id: NodeId) => string
  readonly isCalm?: (service: string) => boolean
}

/** What is known of a peer by what its channels do. */
interface PeerChannels {
  readonly entries: Map<number, Entry>
  /** Channels that the peer has opened. */
  accepted: number
  heardAt: Instant | undefined
}

export class Channels {
  readonly #config: ChannelsConfig
  readonly #surroundings: ChannelSurroundings
  readonly #byHandle = new Map<ChannelHandle, Entry>()
  readonly #byPeer = new Map<NodeId, PeerChannels>()
  readonly #deadlines = new Deadlines<Entry>()
  #touched: Entry[] = []
  /** Of peers that have restarted: the latest process that was told of. */
  readonly #incarnations = new Map<NodeId, number>()
  /** Packets to and from each peer, since somebody asked. */
  #traffic = new Map<NodeId, number>()
  #grownBytes = 0
  #nextHandle = 1
  #nextNumber: number
  #effects: ChannelsEffect[] = []

  constructor(config: ChannelsConfig) {
    this.#config = config
    this.#surroundings = {
      limits: config.limits,
      ready: (peer) => config.sealer.ready(peer),
      heardAt: (peer) => this.#byPeer.get(peer)?.heardAt,
      grow: (bytes) => this.#grow(bytes),
    }
    // Numbers of an earlier life of this node may still be known to peers: start elsewhere, but not far, since every packet names it.
    this.#nextNumber = config.random.uint32() >>> 11
  }

  get size(): number {
    return this.#byHandle.size
  }

  /** The path that a channel sends on now: nodes after this one. */
  activeRoute(handle: ChannelHandle): readonly NodeId[] {
    return this.#byHandle.get(handle)?.channel.paths.active?.route ?? []
  }

  /** Peers that some channel leads to. */
  peers(): Iterable<NodeId> {
    return this.#byPeer.keys()
  }

  hasPeer(peer: NodeId): boolean {
    return this.#byPeer.has(peer)
  }

  open(now: Instant, peer: NodeId, service: string, frameClass: FrameClass): ChannelHandle {
    const number = this.#nextNumber
    this.#nextNumber = (number + 1) >>> 0
    const entry = this.#add(now, peer, number, true, frameClass)
    entry.service = service
    if (this.#config.isCalm?.(service)) entry.channel.calm()
    this.#carry(now, entry, entry.channel.name(now, encodeRecord({ service, class: frameClass })))
    return entry.handle
  }

  input(now: Instant, handle: ChannelHandle, input: ChannelInput): void {
    const entry = this.#byHandle.get(handle)
    if (entry) this.#run(now, entry, input)
  }

  /** Links, plan or keys have changed. */
  pathsChanged(now: Instant, peer: NodeId): void {
    for (const entry of this.#of(peer)) this.#run(now, entry, { type: 'pathsChanged' })
  }

  /** The peer's process is another one than before: it knows nothing of our channels. To be told of one by several is well. */
  peerRestarted(now: Instant, peer: NodeId, incarnation: number): void {
    if (this.#incarnations.get(peer) === incarnation) return
    this.#incarnations.set(peer, incarnation)
    for (const entry of this.#of(peer)) {
      const { channel, opener } = entry.channel.identity
      const packet: ChannelPacket = { kind: 'gone', channel, fromOpener: !opener }
      this.#run(now, entry, { type: 'packet', packet, arrival: { wayBack: [peer], marked: false } })
    }
  }

  /** A packet of `peer` came. What it asks for is done at `flush`. */
  packet(now: Instant, peer: NodeId, packet: ChannelPacket, arrival: Arrival): void {
    const of = this.#byPeer.get(peer)
    if (of) of.heardAt = now
    this.#counts(peer)
    const entry = of?.entries.get(keyOf(packet.channel, packet.fromOpener)) ?? this.#accept(now, peer, packet)
    if (entry && this.#isLeftover(now, entry, packet)) this.#remove(entry)
    else if (entry) {
      this.#carry(now, entry, entry.channel.handle(now, { type: 'packet', packet, arrival }))
      if (entry.touched) return
      entry.touched = true
      this.#touched.push(entry)
      return
    }
    if (packet.kind === 'data' || packet.kind === 'trial') {
      const gone: ChannelPacket = { kind: 'gone', channel: packet.channel, fromOpener: !packet.fromOpener }
      this.#send(now, peer, arrival.wayBack, gone, 'ordered')
    }
  }

  /**
   * A late packet that could open a channel may bring one back which has ended here: its name never comes again, since the opener
   * knows that it arrived once.
   */
  #isLeftover(now: Instant, { service, since, touched, channel }: Entry, packet: ChannelPacket): boolean {
    if (service !== undefined || touched || channel.identity.opener || packet.kind !== 'data' || packet.opening) return false
    return now >= after(since, NAMED_MS)
  }

  #counts(peer: NodeId): void {
    this.#traffic.set(peer, (this.#traffic.get(peer) ?? 0) + 1)
  }

  /** Packets to and from each peer since the last call. */
  takeTraffic(): ReadonlyMap<NodeId, number> {
    const traffic = this.#traffic
    this.#traffic = new Map()
    return traffic
  }

  /** All packets of this turn have come. */
  flush(now: Instant): void {
    const touched = this.#touched
    this.#touched = []
    for (const entry of touched) {
      entry.touched = false
      this.#run(now, entry, { type: 'flush' })
    }
  }

  #of(peer: NodeId): Entry[] {
    return [...(this.#byPeer.get(peer)?.entries.values() ?? [])]
  }

  #grow(bytes: number): boolean {
    if (this.#grownBytes + bytes > this.#config.limits.nodeWindowBytesMax) return false
    this.#grownBytes += bytes
    return true
  }

  #accept(now: Instant, peer: NodeId, packet: ChannelPacket): Entry | undefined {
    if (!(packet.kind === 'data' || packet.kind === 'trial') || !packet.opening || !packet.fromOpener) return undefined
    const accepted = this.#byPeer.get(peer)?.accepted ?? 0
    if (accepted >= this.#config.limits.channelsPerPeerMax) {
      this.#violation(peer, 'overflow', `opens more than ${accepted} channels`)
      return undefined
    }
    return this.#add(now, peer, packet.channel, false, 'ordered')
  }

  #add(now: Instant, peer: NodeId, number: number, opener: boolean, frameClass: FrameClass): Entry {
    const identity = { self: this.#config.self, peer, channel: number, opener, class: frameClass }
    const channel = new Channel(now, identity, this.#config.pathsTo(peer), this.#surroundings)
    const entry: Entry = {
      handle: this.#nextHandle++,
      key: keyOf(number, !opener),
      channel,
      service: undefined,
      since: now,
      touched: false,
    }
    this.#byHandle.set(entry.handle, entry)
    const of = this.#byPeer.get(peer) ?? { entries: new Map<number, Entry>(), accepted: 0, heardAt: undefined }
    of.entries.set(entry.key, entry)
    if (!opener) of.accepted++
    this.#byPeer.set(peer, of)
    return entry
  }

  #remove(entry: Entry): void {
    const { peer, opener } = entry.channel.identity
    this.#byHandle.delete(entry.handle)
    this.#deadlines.set(entry, undefined)
    this.#grownBytes -= entry.channel.grownBytes
    const of = this.#byPeer.get(peer)
    if (!of?.entries.delete(entry.key)) return
    if (!opener) of.accepted--
    if (of.entries.size === 0) this.#byPeer.delete(peer)
  }

  #run(now: Instant, entry: Entry, input: ChannelInput): void {
    this.#carry(now, entry, entry.channel.handle(now, input))
    if (entry.channel.gone(now)) this.#remove(entry)
    else this.#deadlines.set(entry, entry.channel.nextWake())
  }

  #carry(now: Instant, entry: Entry, effects: readonly ChannelEffect[]): void {
    const { peer } = entry.channel.identity
    if (!entry.channel.ended && !this.#config.sealer.ready(peer)) this.#config.sealer.want(now, peer)
    for (const effect of effects) this.#raise(now, entry, effect)
  }

  #raise(now: Instant, entry: Entry, effect: ChannelEffect): void {
    const channel = entry.handle
    switch (effect.type) {
      case 'packet':
        this.#packet(now, entry.channel, effect)
        break
      case 'messages':
        this.#messages(now, entry, effect.messages)
        break
      case 'blocked':
        this.#effects.push({ type: 'channelBlocked', channel })
        break
      case 'writable':
        this.#effects.push({ type: 'channelWritable', channel })
        break
      case 'finished':
        if (entry.service !== undefined) this.#effects.push({ type: 'channelFinished', channel })
        break
      case 'ended':
        if (entry.service !== undefined) this.#effects.push({ type: 'channelEnded', channel, reason: effect.reason })
    }
  }

  #packet(now: Instant, channel: Channel, { route, packet }: ChannelEffect & { type: 'packet' }): void {
    const { peer } = channel.identity
    this.#counts(peer)
    const direct = channel.isCalm && route.length === 1 ? writeNeighbourPacket(packet) : undefined
    if (direct) this.#effects.push({ type: 'frame', firstHop: peer, frame: direct })
    else this.#send(now, peer, route, packet, channel.class)
  }

  /** Lays a packet out in a frame, and seals it there. */
  #send(now: Instant, peer: NodeId, route: readonly NodeId[], packet: ChannelPacket, frameClass: FrameClass): void {
    const { self, sealer } = this.#config
    const [firstHop] = route
    if (firstHop === undefined || !sealer.ready(peer)) return
    const from = frameHeaderBytes(route.length) + SEALED_HEADER_BYTES
    const to = from + channelPacketBytes(packet)
    const frame = new Uint8Array(to + AEAD_TAG_BYTES)
    // What opens a channel is worth a sure way; the rest of one that is in a hurry travels as that does.
    writeFrameHeader(frame, {
      source: self,
      route,
      class: packet.kind === 'data' ? 'ordered' : frameClass,
      flow: packet.channel & 0xff_ffff,
    })
    writeChannelPacket(frame, from, packet)
    if (sealer.seal(now, peer, frame, from, to)) this.#effects.push({ type: 'frame', firstHop, frame })
  }

  #messages(now: Instant, entry: Entry, messages: readonly Uint8Array[]): void {
    const [first, ...rest] = messages
    const own = entry.service === undefined ? rest : messages
    if (entry.service === undefined && first && !this.#nameService(now, entry, first)) return
    if (own.length > 0) this.#effects.push({ type: 'channelMessages', channel: entry.handle, messages: own })
  }

  /** False if the peer did not name one. */
  #nameService(now: Instant, entry: Entry, message: Uint8Array): boolean {
    const { peer } = entry.channel.identity
    const opening = readOpening(message)
    if (opening) {
      entry.service = opening.service
      if (this.#config.isCalm?.(opening.service)) entry.channel.calm()
      entry.channel.become(opening.class)
      this.#effects.push({ type: 'channelAccepted', channel: entry.handle, peer, ...opening })
      return true
    }
    this.#violation(peer, 'malformed', 'opens a channel without naming a service')
    this.#run(now, entry, { type: 'reset', reason: 'no service named' })
    return false
  }

  #violation(peer: NodeId, code: 'malformed' | 'overflow', detail: string): void {
    this.#effects.push({ type: 'violation', peer: this.#config.nameOf(peer), code, detail })
  }

  wake(now: Instant): void {
    for (const entry of this.#deadlines.due(now)) this.#run(now, entry, { type: 'wake' })
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  takeEffects(): ChannelsEffect[] {
    const effects = this.#effects
    if (effects.length > 0) this.#effects = []
    return effects
  }

  views(): ChannelView[] {
    return [...this.#byHandle.values()]
      .filter((entry) => !entry.channel.ended)
      .map(({ channel, service }) => ({
        peer: this.#config.nameOf(channel.identity.peer),
        service: service ?? '',
        class: channel.class,
        path: (channel.paths.active?.route ?? []).map((id) => this.#config.nameOf(id)),
        ...channel.figures,
      }))
  }
}

/** The first message of a channel. A class of a later version is refused: the opener counts on what it means. */
function readOpening(message: Uint8Array): { readonly service: string; readonly class: FrameClass } | undefined {
  const record = decodeRecord(message)
  if (typeof record !== 'object' || record === null || !('service' in record) || typeof record.service !== 'string') return undefined
  const frameClass = FRAME_CLASSES.find((one) => 'class' in record && record.class === one)
  return frameClass && { service: record.service, class: frameClass }
}

/** Both ends number the channels they open: the lowest bit tells whose number it is. */
function keyOf(number: number, fromOpener: boolean): number {
  return 2 * number + (fromOpener ? 1 : 0)
}
