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
  type Instant,
  type LinkMetrics,
  type LinkView,
  type NetworkEffect,
  type NetworkInput,
  type NodeId,
  type NodeName,
  type PathsView,
  type PlannedPath,
  type ReportEffect,
  type Role,
  after,
  earliest,
} from '@causeway/protocol'
import type { Peer } from './admission.ts'
import { type ChannelHandle, Channels, type ChannelsEffect } from './channels.ts'
import { readChannelPacket } from './channel-packet.ts'
import { type Router, forward } from './forwarder.ts'
import type { Link } from './link.ts'
import { Links, type LinksConfig, type LinksEffect } from './links.ts'
import type { Path } from './path.ts'
import { type FirstHops, PathSet } from './path-set.ts'

/** A destination that nobody has asked about for so long needs no plan. */
const INTEREST_MS = 30_000
/** Costs of own links move all the time; how often the order of paths follows them. */
const TIDY_MS = 2_000

export type MeshEffect =
  | NetworkEffect
  | ReportEffect
  | Exclude<ChannelsEffect, { type: 'frame' }>
  | { readonly type: 'linkUp'; readonly peer: Peer }
  | { readonly type: 'linkDown'; readonly peer: Peer; readonly reason: string }
  | { readonly type: 'control'; readonly peer: NodeId; readonly message: ControlRecord }
  | { readonly type: 'planWanted' | 'planUnwanted'; readonly to: NodeId }

export interface MeshConfig extends LinksConfig {
  readonly relay: boolean
  readonly router?: Router | undefined
}

interface Destination {
  readonly paths: PathSet
  askedAt: Instant
}

export class Mesh implements FirstHops {
  readonly #config: MeshConfig
  readonly #links: Links
  readonly #channels: Channels
  readonly #destinations = new Map<NodeId, Destination>()
  readonly #names = new Map<NodeId, string>()
  readonly #dropped = new Map<string, number>()
  #tidyAt: Instant
  #effects: MeshEffect[] = []
  #now: Instant

  constructor(now: Instant, config: MeshConfig) {
    this.#config = config
    this.#now = now
    this.#tidyAt = after(now, TIDY_MS)
    this.#links = new Links(now, config)
    this.#names.set(config.self, config.name)
    this.#channels = new Channels({
      self: config.self,
      limits: config.limits,
      random: config.random,
      pathsTo: (peer) => this.#destination(this.#now, peer).paths,
      nameOf: (id) => this.nameOf(id),
    })
  }

  // ---- FirstHops

  costTo(neighbour: NodeId): number | null | undefined {
    const link = this.#links.get(neighbour)
    return link?.up ? link.costMs : undefined
  }

  ways(): readonly NodeId[] {
    return this.liveLinks('hub').map((link) => link.peer.id)
  }

  // ---- what is known

  /** Links that are up, cheapest first; of one role if one is named. */
  liveLinks(role?: Role): Link[] {
    return this.#links.live(role)
  }

  link(peer: NodeId): Link | undefined {
    return this.#links.get(peer)
  }

  nameOf(id: NodeId): string {
    return this.#links.get(id)?.name ?? this.#names.get(id) ?? `#${id.toString(16)}`
  }

  learnName(id: NodeId, name: string): void {
    this.#names.set(id, name)
  }

  linkMetrics(now: Instant): LinkMetrics[] {
    return this.#links.metrics(now)
  }

  linkViews(now: Instant): LinkView[] {
    return this.#links.views(now)
  }

  channelViews(): ChannelView[] {
    return this.#channels.views()
  }

  /** Names of the nodes on the path that a channel sends on now. */
  channelPath(channel: ChannelHandle): string[] {
    return this.#channels.activeRoute(channel).map((id) => this.nameOf(id))
  }

  /** Frames that were not passed on, by reason. */
  get dropped(): ReadonlyMap<string, number> {
    return this.#dropped
  }

  /** The plan to a node. Asking makes the node look for one. */
  paths(now: Instant, to: NodeId): PathsView {
    const { paths } = this.#destination(now, to)
    const view = (path: Path): PathsView['paths'][number] => ({
      hops: path.route.map((id) => this.nameOf(id)),
      costMs: path.costMs,
      state: path.up ? (path.suspect ? 'suspect' : 'up') : 'down',
      active: path === paths.active,
    })
    return { to: this.nameOf(to), paths: paths.paths.map(view) }
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
    this.#links.clock(now, input)
    this.#settle(now)
  }

  wake(now: Instant): void {
    this.#now = now
    this.#links.wake(now)
    this.#channels.wake(now)
    if (now >= this.#tidyAt) this.#tidy(now)
    this.#settle(now)
  }

  nextWake(): Instant | undefined {
    return earliest(this.#tidyAt, earliest(this.#links.nextWake(), this.#channels.nextWake()))
  }

  setPlan(now: Instant, to: NodeId, planned: readonly PlannedPath[], names: readonly NodeName[] = []): void {
    this.#now = now
    for (const { id, name } of names) this.#names.set(id, name)
    const destination = this.#destinations.get(to)
    if (!destination) return
    destination.paths.plan(planned, this)
    this.#channels.pathsChanged(now, to)
    this.#settle(now)
  }

  sendControl(peer: NodeId, message: ControlRecord): void {
    this.#links.sendControl(peer, message)
    this.#settle(this.#now)
  }

  /** How often to probe links to hubs that carry nothing, ms. */
  pace(now: Instant, idleMs: number): void {
    this.#links.pace(now, idleMs)
    this.#settle(now)
  }

  stop(reason: string): void {
    this.#links.stop(reason)
    this.#settle(this.#now)
  }

  // ---- channels

  open(now: Instant, peer: NodeId, service: string): ChannelHandle {
    this.#now = now
    const handle = this.#channels.open(now, peer, service)
    this.#settle(now)
    return handle
  }

  write(now: Instant, channel: ChannelHandle, message: Uint8Array): void {
    this.#channels.input(now, channel, { type: 'write', message })
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
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  // ---- inside

  /** Carries effects of links to channels and back until none is left. */
  #settle(now: Instant): void {
    for (;;) {
      const ofLinks = this.#links.takeEffects()
      const ofChannels = this.#channels.takeEffects()
      if (ofLinks.length === 0 && ofChannels.length === 0) return
      for (const effect of ofLinks) this.#ofLinks(now, effect)
      for (const effect of ofChannels) {
        if (effect.type === 'frame') this.#links.sendFrame(now, effect.firstHop, effect.frame)
        else this.#effects.push(effect)
      }
    }
  }

  #ofLinks(now: Instant, effect: LinksEffect): void {
    switch (effect.type) {
      case 'frameArrived':
        this.#frame(now, effect.peer, effect.frame)
        break
      case 'peerRestarted':
        this.#channels.peerRestarted(now, effect.peer)
        break
      case 'linkUp':
      case 'linkDown':
        this.#names.set(effect.peer.id, effect.peer.credential.name)
        this.#effects.push(effect)
        this.#refreshPaths(now)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #refreshPaths(now: Instant): void {
    for (const [to, { paths }] of this.#destinations) {
      paths.refresh(this)
      this.#channels.pathsChanged(now, to)
    }
  }

  #frame(now: Instant, from: NodeId, frame: Uint8Array): void {
    const { self, relay, router } = this.#config
    const verdict = forward({ self, relay, router, reaches: (id) => this.#links.get(id)?.up === true }, frame)
    switch (verdict.type) {
      case 'deliver': {
        const packet = readChannelPacket(verdict.body)
        if (packet) this.#channels.packet(now, verdict.source, packet, verdict.wayBack)
        else
          this.#effects.push({
            type: 'violation',
            peer: this.nameOf(verdict.source),
            code: 'malformed',
            detail: 'sends a channel packet that cannot be read',
          })
        break
      }
      case 'relay':
        if (!this.#links.sendFrame(now, verdict.next, verdict.frame)) this.#count('queue-full')
        break
      case 'drop':
        this.#count(verdict.reason)
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

  #count(reason: string): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
  }

  #destination(now: Instant, to: NodeId): Destination {
    const known = this.#destinations.get(to)
    if (known) {
      known.askedAt = now
      return known
    }
    const destination: Destination = { paths: new PathSet(to), askedAt: now }
    destination.paths.refresh(this)
    this.#destinations.set(to, destination)
    this.#effects.push({ type: 'planWanted', to })
    return destination
  }

  #tidy(now: Instant): void {
    this.#tidyAt = after(now, TIDY_MS)
    const used = this.#channels.peers()
    for (const [to, { askedAt }] of this.#destinations) {
      if (used.has(to) || now - askedAt < INTEREST_MS) continue
      this.#destinations.delete(to)
      this.#effects.push({ type: 'planUnwanted', to })
    }
    for (const { paths } of this.#destinations.values()) paths.refresh(this)
  }
}
