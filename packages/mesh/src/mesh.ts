/**
 * The transport of one node: its links, the paths to others, the frames that pass, and the channels that end here.
 * Edges and hubs have the same mesh; a hub adds a router (its link state) and answers who asks for plans.
 *
 * A part, not a machine: its owner calls it with what happened and collects the effects.
 *
 *  1. A plan is wanted for exactly the destinations to which a channel leads or which were asked about lately.
 *  2. Channels hear of every change of the paths they use, in the turn in which it happens.
 */
import {
  type ChannelView,
  type ClockInput,
  type ControlRecord,
  type Credential,
  type FrameClass,
  type FrameCounts,
  type Instant,
  type LinkMetrics,
  type LinkView,
  type NetworkInput,
  type NodeId,
  type NodeName,
  type PathsView,
  type PlannedPath,
  type Role,
  after,
  earliest,
  frameHeaderBytes,
  writeFrameHeader,
} from '@causeway/protocol'
import { Associations, type AssociationsEffect } from './associations.ts'
import { type ChannelHandle, Channels } from './channels.ts'
import { readChannelPacket } from './channel-packet.ts'
import { Destinations, type DestinationsEffect } from './destinations.ts'
import { type Verdict, forward } from './forwarder.ts'
import { FrameTally } from './frame-tally.ts'
import type { Link } from './link.ts'
import { Links } from './links.ts'
import type { LinksEffect } from './links-contract.ts'
import type { MeshConfig, MeshEffect } from './mesh-contract.ts'
import { readNeighbourPacket } from './neighbour-packet.ts'

/** How often the order of paths follows costs; and how much sooner if something else wakes the node, which costs more than this. */
const [TIDY_MS, TIDY_EARLY_MS] = [2_000, 600]

export class Mesh {
  readonly #config: MeshConfig
  readonly #links: Links
  readonly #channels: Channels
  readonly #associations: Associations
  readonly #destinations: Destinations
  readonly #names = new Map<NodeId, string>()
  readonly #tally = new FrameTally()
  #wallOffsetMs = 0
  #tidyAt: Instant
  #effects: MeshEffect[] = []
  #now: Instant

  constructor(now: Instant, config: MeshConfig) {
    this.#config = config
    this.#now = now
    this.#tidyAt = after(now, TIDY_MS)
    this.#links = new Links(now, config)
    this.#names.set(config.self, config.name)
    const nameOf = (id: NodeId): string => this.nameOf(id)
    this.#associations = new Associations(now, { ...config, wallMs: (at) => at + this.#wallOffsetMs, nameOf })
    const emit = (effect: DestinationsEffect): number => this.#effects.push(effect)
    this.#destinations = new Destinations(now, { self: config.self, site: config.site, links: this.#links.table, nameOf, emit })
    this.#channels = new Channels({
      ...config,
      sealer: this.#associations,
      pathsTo: (peer) => this.#destinations.to(this.#now, peer),
      nameOf,
    })
  }

  // ---- what is known

  /** Links that are up, cheapest first; of one role if one is named. */
  liveLinks(role?: Role): Link[] {
    return this.#links.table.live(role)
  }

  unreached(): ReturnType<Links['dialer']['unreached']> {
    return this.#links.dialer.unreached((node) => this.link(node)?.connection !== undefined)
  }

  link(peer: NodeId): Link | undefined {
    return this.#links.table.get(peer)
  }

  nameOf(id: NodeId): string {
    return this.#links.table.get(id)?.name ?? this.#names.get(id) ?? `#${id.toString(16)}`
  }

  /** What the authority has signed about a peer that has a channel with this node, or a link. */
  credentialOf(id: NodeId): Credential | undefined {
    return this.#associations.credentialOf(id) ?? this.#links.table.get(id)?.peer.credential
  }

  learnName(id: NodeId, name: string): void {
    this.#names.set(id, name)
  }

  linkMetrics(now: Instant): LinkMetrics[] {
    return this.#links.table.metrics(now)
  }

  linkViews(now: Instant): LinkView[] {
    return this.#links.table.views(now)
  }

  channelViews(): ChannelView[] {
    return this.#channels.views()
  }

  /** Names of the nodes on the path that a channel sends on now. */
  channelPath(channel: ChannelHandle): string[] {
    return this.#channels.activeRoute(channel).map((id) => this.nameOf(id))
  }

  get relayed(): number {
    return this.#tally.relayed
  }

  frameCounts(): FrameCounts {
    const { relayed, dropped } = this.#tally
    return { relayed, dropped, packetsDropped: Object.fromEntries(this.#associations.dropped) }
  }

  /** Packets of channels to and from each peer since the last call. */
  takeTraffic(): ReadonlyMap<NodeId, number> {
    return this.#channels.takeTraffic()
  }

  /** The plan to a node. Asking makes the node look for one. */
  paths(now: Instant, to: NodeId): PathsView {
    return this.#destinations.view(now, to)
  }

  /** Why the path to a node that is in use is in use. */
  explain(now: Instant, to: NodeId): string {
    return this.#destinations.explain(now, to)
  }

  isDraining(hub: NodeId): boolean {
    return this.#destinations.isDraining(hub)
  }

  /** Of the last input. */
  get now(): Instant {
    return this.#now
  }

  /** Destinations whose plan is wanted now. */
  destinations(): Iterable<NodeId> {
    return this.#destinations.keys()
  }

  // ---- what happens

  network(now: Instant, input: NetworkInput): void {
    this.#now = now
    this.#links.network(now, input)
    this.#settle(now)
  }

  clock(now: Instant, input: ClockInput): void {
    this.#now = now
    if (input.type === 'wall') this.#wallOffsetMs = input.offsetMs
    this.#links.clock(now, input)
    this.#settle(now)
  }

  wake(now: Instant): void {
    this.#now = now
    this.#links.wake(now)
    this.#associations.wake(now)
    this.#channels.wake(now)
    if (this.#tidyAt - now <= TIDY_EARLY_MS) this.#tidy(now)
    this.#settle(now)
  }

  nextWake(): Instant | undefined {
    return earliest(earliest(this.#tidyAt, this.#links.nextWake()), earliest(this.#associations.nextWake(), this.#channels.nextWake()))
  }

  setPlan(now: Instant, to: NodeId, planned: readonly PlannedPath[], names: readonly NodeName[] = []): void {
    this.#now = now
    for (const { id, name } of names) this.#names.set(id, name)
    if (!this.#destinations.plan(now, to, planned)) return
    this.#pathsChanged(now, to)
    this.#settle(now)
  }

  /** A hub wants to be left, or is there again. */
  setDraining(now: Instant, hub: NodeId, draining: boolean): void {
    this.#markDraining(now, hub, draining)
    this.#refreshPaths(now)
    this.#settle(now)
  }

  sendControl(peer: NodeId, message: ControlRecord): void {
    this.#links.sendControl(peer, message)
    this.#settle(this.#now)
  }

  /** How often to probe uplinks that carry nothing, ms; and whether somebody of our site reaches a hub besides us. */
  setNeed(now: Instant, need: { readonly idleMs: number; readonly helped: boolean }): void {
    this.#links.setNeed(now, need)
    this.#settle(now)
  }

  /** Ends all links, for good; or only the one with that peer. */
  stop(reason: string, only?: NodeId): void {
    this.#links.stop(this.#now, reason, only)
    this.#settle(this.#now)
  }

  // ---- channels

  open(now: Instant, peer: NodeId, service: string, frameClass: FrameClass = 'ordered'): ChannelHandle {
    this.#now = now
    const handle = this.#channels.open(now, peer, service, frameClass)
    this.#settle(now)
    return handle
  }

  write(now: Instant, channel: ChannelHandle, messages: readonly Uint8Array[]): void {
    this.#channels.input(now, channel, { type: 'write', messages })
    this.#settle(now)
  }

  /** So many delivered bytes wait for the program now, or, if negative, no longer. */
  unread(now: Instant, channel: ChannelHandle, bytes: number): void {
    this.#channels.input(now, channel, { type: 'unread', bytes })
    this.#settle(now)
  }

  finish(now: Instant, channel: ChannelHandle): void {
    this.#channels.input(now, channel, { type: 'finish' })
    this.#settle(now)
  }

  reset(now: Instant, channel: ChannelHandle, reason: string): void {
    this.#channels.input(now, channel, { type: 'reset', reason })
    this.#settle(now)
  }

  takeEffects(): MeshEffect[] {
    return this.#effects.splice(0)
  }

  // ---- inside

  /** Carries effects of links to channels and back until none is left. */
  #settle(now: Instant): void {
    for (;;) {
      const ofLinks = this.#links.takeEffects()
      for (const effect of ofLinks) this.#ofLinks(now, effect)
      this.#channels.flush(now)
      const associated = this.#settleAssociations(now)
      const ofChannels = this.#channels.takeEffects()
      if (ofLinks.length === 0 && !associated && ofChannels.length === 0) return
      for (const effect of ofChannels) {
        if (effect.type === 'frame') this.#links.sendFrame(now, effect.firstHop, effect.frame)
        else this.#effects.push(effect)
      }
    }
  }

  /** False if there was nothing to do. */
  #settleAssociations(now: Instant): boolean {
    const effects = this.#associations.takeEffects()
    for (const effect of effects) this.#ofAssociations(now, effect)
    return effects.length > 0
  }

  #ofLinks(now: Instant, effect: LinksEffect): void {
    switch (effect.type) {
      case 'frameArrived':
        this.#frame(now, effect.peer, effect.frame)
        break
      case 'frameDropped':
        this.#tally.drop(effect.reason)
        break
      case 'peerRestarted':
        this.#channels.peerRestarted(now, effect.peer, effect.incarnation)
        break
      case 'linkUp':
      case 'linkDown':
      case 'linkQuality':
        this.#names.set(effect.peer.id, effect.peer.credential.name)
        if (effect.type === 'linkDown') this.#markDraining(now, effect.peer.id, false)
        this.#effects.push(effect)
        this.#refreshPaths(now)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #ofAssociations(now: Instant, effect: AssociationsEffect): void {
    switch (effect.type) {
      case 'send': {
        const ways = this.#destinations.to(now, effect.to).paths.filter((path) => path.up)
        const way = ways[effect.attempt % ways.length]
        if (way) this.#sendBody(now, way.route, effect.body)
        break
      }
      case 'reply':
        this.#sendBody(now, effect.wayBack, effect.body)
        break
      case 'associated':
        this.#names.set(effect.peer, effect.credential.name)
        if (effect.restarted) this.#channels.peerRestarted(now, effect.peer, effect.incarnation)
        this.#channels.pathsChanged(now, effect.peer)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #sendBody(now: Instant, route: readonly NodeId[], body: Uint8Array): void {
    const at = frameHeaderBytes(route.length)
    const frame = new Uint8Array(at + body.length)
    writeFrameHeader(frame, { source: this.#config.self, route })
    frame.set(body, at)
    this.#links.sendFrame(now, route[0] as NodeId, frame)
  }

  #refreshPaths(now: Instant): void {
    this.#destinations.refresh(now)
    for (const to of this.#destinations.keys()) this.#pathsChanged(now, to)
  }

  #pathsChanged(now: Instant, to: NodeId): void {
    this.#associations.pathsChanged(now, to)
    this.#channels.pathsChanged(now, to)
  }

  #frame(now: Instant, from: NodeId, frame: Uint8Array): void {
    const direct = readNeighbourPacket(frame)
    if (direct) return this.#channels.packet(now, from, direct.packet, { wayBack: [from], marked: direct.marked })
    const { self, relay, router } = this.#config
    const reaches = (id: NodeId): boolean => this.#links.table.get(id)?.up === true
    const carries = (one: NodeId, other: NodeId): boolean => relay === 'all' || this.#isOfOurSite(one) || this.#isOfOurSite(other)
    const verdict = forward({ self, router, from, reaches, carries }, frame)
    switch (verdict.type) {
      case 'deliver':
        this.#deliver(now, verdict)
        break
      case 'relay':
        if (this.#links.sendFrame(now, verdict.next, verdict.frame)) this.#tally.relayed++
        else this.#tally.drop('link-down')
        break
      case 'drop':
        this.#tally.drop(verdict.reason)
        if (verdict.reason === 'malformed' || verdict.reason === 'not-for-us' || verdict.reason === 'hop-limit') {
          this.#effects.push({
            type: 'violation',
            peer: this.nameOf(from),
            code: 'unexpected',
            detail: `sends a frame that must be dropped: ${verdict.reason}`,
          })
        }
    }
  }

  #deliver(now: Instant, { body, wayBack, marked }: Extract<Verdict, { type: 'deliver' }>): void {
    const opened = this.#associations.receive(now, body, wayBack)
    if (!opened) {
      // A handshake may end the channels with a former process of the peer, and the first channel of the new one may come right behind it.
      this.#settleAssociations(now)
      return
    }
    const packet = readChannelPacket(opened.packet)
    if (packet) this.#channels.packet(now, opened.peer, packet, { wayBack, marked })
    else {
      const detail = 'sends a channel packet that cannot be read'
      this.#effects.push({ type: 'violation', peer: this.nameOf(opened.peer), code: 'malformed', detail })
    }
  }

  #markDraining(now: Instant, hub: NodeId, draining: boolean): void {
    if (this.isDraining(hub) === draining) return
    this.#destinations.setDraining(hub, draining)
    this.#links.setDraining(now, hub, draining)
  }

  #isOfOurSite(neighbour: NodeId): boolean {
    const credential = this.#links.table.get(neighbour)?.peer.credential
    return credential?.role === 'edge' && credential.site === this.#config.site
  }

  #tidy(now: Instant): void {
    this.#tidyAt = after(now, TIDY_MS)
    this.#destinations.tidy(now, (to) => this.#channels.hasPeer(to))
  }
}
