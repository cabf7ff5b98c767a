/**
 * All channels of a node: opens them, finds the one a packet belongs to, accepts those that peers open.
 *
 *  1. A peer's channel is accepted once its first message, which names the service, has arrived; what the
 *     acceptor's program sees starts after it.
 *  2. A packet of an unknown channel is answered with `gone`, unless it is one that could open it.
 *  3. When a peer comes back with another incarnation, every channel with its former self ends.
 */
import {
  type ChannelView,
  Deadlines,
  type Instant,
  type Limits,
  type NodeId,
  type Random,
  type ReportEffect,
  decodeRecord,
  encodeRecord,
  frameHeaderBytes,
  writeFrameHeader,
} from '@causeway/protocol'
import { Channel, type ChannelEffect, type ChannelInput } from './channel.ts'
import { type ChannelPacket, channelPacketBytes, writeChannelPacket } from './channel-packet.ts'
import type { PathSet } from './path-set.ts'

/** A local number of a channel, for the program that uses it. */
export type ChannelHandle = number

export type ChannelsEffect =
  | ReportEffect
  | { readonly type: 'frame'; readonly firstHop: NodeId; readonly frame: Uint8Array }
  | { readonly type: 'channelAccepted'; readonly channel: ChannelHandle; readonly peer: NodeId; readonly service: string }
  | { readonly type: 'channelMessage'; readonly channel: ChannelHandle; readonly message: Uint8Array }
  | { readonly type: 'channelBlocked' | 'channelWritable'; readonly channel: ChannelHandle }
  | { readonly type: 'channelEnded'; readonly channel: ChannelHandle; readonly reason: string | null }

interface Entry {
  readonly handle: ChannelHandle
  readonly key: string
  readonly channel: Channel
  /** `undefined` until the opener has named it. */
  service: string | undefined
}

export interface ChannelsConfig {
  readonly self: NodeId
  readonly limits: Limits
  readonly random: Random
  readonly pathsTo: (peer: NodeId) => PathSet
  readonly nameOf: (id: NodeId) => string
}

export class Channels {
  readonly #config: ChannelsConfig
  readonly #byHandle = new Map<ChannelHandle, Entry>()
  readonly #byKey = new Map<string, Entry>()
  readonly #deadlines = new Deadlines<Entry>()
  #nextHandle = 1
  #nextNumber: number
  #effects: ChannelsEffect[] = []

  constructor(config: ChannelsConfig) {
    this.#config = config
    // Numbers of an earlier life of this node may still be known to peers: start elsewhere.
    this.#nextNumber = config.random.uint32()
  }

  get size(): number {
    return this.#byHandle.size
  }

  /** The path that a channel sends on now: nodes after this one. */
  activeRoute(handle: ChannelHandle): readonly NodeId[] {
    return this.#byHandle.get(handle)?.channel.paths.active?.route ?? []
  }

  /** Peers that some channel leads to. */
  peers(): Set<NodeId> {
    return new Set([...this.#byHandle.values()].map((entry) => entry.channel.identity.peer))
  }

  open(now: Instant, peer: NodeId, service: string): ChannelHandle {
    const number = this.#nextNumber
    this.#nextNumber = (number + 1) >>> 0
    const entry = this.#add(now, peer, number, true)
    entry.service = service
    this.#run(now, entry, { type: 'write', message: encodeRecord({ service }) })
    return entry.handle
  }

  input(now: Instant, handle: ChannelHandle, input: ChannelInput): void {
    const entry = this.#byHandle.get(handle)
    if (entry) this.#run(now, entry, input)
  }

  pathsChanged(now: Instant, peer: NodeId): void {
    for (const entry of [...this.#byHandle.values()]) {
      if (entry.channel.identity.peer === peer) this.#run(now, entry, { type: 'pathsChanged' })
    }
  }

  /** The peer's process is another one than before: it knows nothing of our channels. */
  peerRestarted(now: Instant, peer: NodeId): void {
    for (const entry of [...this.#byHandle.values()]) {
      if (entry.channel.identity.peer !== peer) continue
      const { channel, opener } = entry.channel.identity
      this.#run(now, entry, { type: 'packet', packet: { kind: 'gone', channel, fromOpener: !opener }, wayBack: [peer] })
    }
  }

  packet(now: Instant, peer: NodeId, packet: ChannelPacket, wayBack: readonly NodeId[]): void {
    const key = keyOf(peer, packet.channel, packet.fromOpener)
    const entry = this.#byKey.get(key) ?? this.#accept(now, peer, packet)
    if (entry) this.#run(now, entry, { type: 'packet', packet, wayBack })
    else if (packet.kind === 'data' || packet.kind === 'trial') this.#sayGone(packet, wayBack)
  }

  #accept(now: Instant, peer: NodeId, packet: ChannelPacket): Entry | undefined {
    if (!(packet.kind === 'data' || packet.kind === 'trial') || !packet.opening || !packet.fromOpener) return undefined
    let fromPeer = 0
    for (const { channel } of this.#byHandle.values()) if (channel.identity.peer === peer && !channel.identity.opener) fromPeer++
    if (fromPeer >= this.#config.limits.channelsPerPeerMax) {
      this.#effects.push({
        type: 'violation',
        peer: this.#config.nameOf(peer),
        code: 'overflow',
        detail: `opens more than ${fromPeer} channels`,
      })
      return undefined
    }
    return this.#add(now, peer, packet.channel, false)
  }

  #add(now: Instant, peer: NodeId, number: number, opener: boolean): Entry {
    const { self, limits, pathsTo } = this.#config
    const channel = new Channel(now, { self, peer, channel: number, opener }, pathsTo(peer), limits)
    const entry: Entry = { handle: this.#nextHandle++, key: keyOf(peer, number, !opener), channel, service: undefined }
    this.#byHandle.set(entry.handle, entry)
    this.#byKey.set(entry.key, entry)
    return entry
  }

  #sayGone(packet: ChannelPacket, wayBack: readonly NodeId[]): void {
    const gone: ChannelPacket = { kind: 'gone', channel: packet.channel, fromOpener: !packet.fromOpener }
    const at = frameHeaderBytes(wayBack.length)
    const frame = new Uint8Array(at + channelPacketBytes(gone))
    writeFrameHeader(frame, { source: this.#config.self, route: wayBack })
    writeChannelPacket(frame, at, gone)
    this.#effects.push({ type: 'frame', firstHop: wayBack[0] as NodeId, frame })
  }

  #run(now: Instant, entry: Entry, input: ChannelInput): void {
    for (const effect of entry.channel.handle(now, input)) this.#raise(now, entry, effect)
    if (entry.channel.gone(now)) {
      this.#byHandle.delete(entry.handle)
      this.#byKey.delete(entry.key)
      this.#deadlines.set(entry, undefined)
    } else {
      this.#deadlines.set(entry, entry.channel.nextWake())
    }
  }

  #raise(now: Instant, entry: Entry, effect: ChannelEffect): void {
    const channel = entry.handle
    switch (effect.type) {
      case 'frame':
        this.#effects.push(effect)
        break
      case 'message':
        if (entry.service === undefined) this.#nameService(now, entry, effect.message)
        else this.#effects.push({ type: 'channelMessage', channel, message: effect.message })
        break
      case 'blocked':
        this.#effects.push({ type: 'channelBlocked', channel })
        break
      case 'writable':
        this.#effects.push({ type: 'channelWritable', channel })
        break
      case 'ended':
        if (entry.service !== undefined) this.#effects.push({ type: 'channelEnded', channel, reason: effect.reason })
    }
  }

  #nameService(now: Instant, entry: Entry, message: Uint8Array): void {
    const record = decodeRecord(message)
    const peer = entry.channel.identity.peer
    if (typeof record === 'object' && record !== null && 'service' in record && typeof record.service === 'string') {
      entry.service = record.service
      this.#effects.push({ type: 'channelAccepted', channel: entry.handle, peer, service: record.service })
    } else {
      this.#effects.push({
        type: 'violation',
        peer: this.#config.nameOf(peer),
        code: 'malformed',
        detail: 'opens a channel without naming a service',
      })
      this.#run(now, entry, { type: 'reset', reason: 'no service named' })
    }
  }

  wake(now: Instant): void {
    for (const entry of this.#deadlines.due(now)) this.#run(now, entry, { type: 'wake' })
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  takeEffects(): ChannelsEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  views(): ChannelView[] {
    return [...this.#byHandle.values()]
      .filter((entry) => !entry.channel.ended)
      .map(({ channel, service }) => ({
        peer: this.#config.nameOf(channel.identity.peer),
        service: service ?? '',
        path: (channel.paths.active?.route ?? []).map((id) => this.#config.nameOf(id)),
        ...channel.figures,
      }))
  }
}

/** One key per channel and end: `fromOpener` tells which end wrote the packets that belong to it. */
function keyOf(peer: NodeId, number: number, fromOpener: boolean): string {
  return `${peer}/${number}/${fromOpener ? 'theirs' : 'ours'}`
}
