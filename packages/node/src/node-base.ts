/**
 * What every node is made of: a mesh, a replica, state sessions between them, and the echo service. Edge nodes and
 * hubs add whom they exchange state with and where plans come from.
 *
 * The base routes: inputs to the part they concern, effects of one part to the other, and the rest to the driver.
 *
 *  1. What a turn causes inside is done before `handle` returns: no effect waits for the next wake.
 *  2. Everything that leaves this node as state has been persisted before (the replica sees to that).
 */
import {
  type ChannelView,
  type ControlRecord,
  type Credential,
  type FrameCounts,
  type Instant,
  type LinkMetrics,
  type LinkView,
  type NodeId,
  type PathUseView,
  type PathsView,
  type PlanExplanation,
  type RelayView,
  type StatusView,
  type StoreEntry,
  earliest,
  nodeId,
} from '@causeway/protocol'
import { Mesh, type MeshEffect, type Peer, type Router } from '@causeway/mesh'
import { Replica, type ReplicaEffect, type ReplicaInput, type Vitals } from '@causeway/state'
import type { NodeConfig, NodeEffect, NodeEnvironment, NodeInput, NodeMachine } from './contract.ts'
import { ownCredential } from './own-credential.ts'
import { ownVitals } from './own-vitals.ts'
import { ECHO_SERVICE, EchoService, type PingStep, Pinger, pingFault } from './pinger.ts'
import { Programs } from './programs.ts'
import { Sessions, acceptedRelation } from './sessions.ts'
import { uplinkViews } from './uplink-views.ts'

export interface NodeTraits {
  /** Whose frames to carry. */
  readonly relay: 'all' | 'site'
  readonly router?: Router
}

type ChannelNews = Extract<
  MeshEffect,
  { type: 'channelMessages' | 'channelBlocked' | 'channelWritable' | 'channelFinished' | 'channelEnded' }
>

export abstract class NodeBase implements NodeMachine {
  readonly replica: Replica
  readonly vitals: Vitals
  protected readonly config: NodeConfig
  protected readonly credential: Credential
  protected readonly self: NodeId
  protected readonly mesh: Mesh
  protected readonly sessions: Sessions
  readonly #pinger = new Pinger()
  readonly #programs: Programs
  readonly #echo = new EchoService()
  #wallOffsetMs: number
  readonly #startedAt: Instant
  #effects: NodeEffect[] = []

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>, traits: NodeTraits) {
    const { now, random, wallOffsetMs } = environment
    this.config = config
    this.credential = ownCredential(config, environment)
    this.self = nodeId(this.credential.name)
    this.#startedAt = now
    this.#wallOffsetMs = wallOffsetMs
    this.sessions = new Sessions(random, environment.sessionCodec)
    this.mesh = new Mesh(now, {
      ...config,
      ...traits,
      ...environment,
      self: this.self,
      name: this.credential.name,
      site: this.credential.site,
      isCalm: (service) => acceptedRelation(service) !== undefined,
    })
    this.mesh.clock(now, { type: 'wall', offsetMs: wallOffsetMs })
    this.#programs = new Programs(this.mesh, this.self)
    const { name: writer, write, role } = this.credential
    this.vitals = ownVitals(this.credential, config, environment, this.mesh)
    this.replica = new Replica({ ...config, writer, write, core: role === 'hub' }, { ...environment, vitals: this.vitals }, stored)
  }

  // ---- what a role adds

  protected abstract linkUp(now: Instant, peer: Peer): void
  protected abstract linkDown(now: Instant, peer: Peer, reason: string): void
  /** A link has begun to lose more than it should, or is sound again. */
  protected linkQuality(_now: Instant): void {}
  protected abstract control(now: Instant, from: NodeId, message: ControlRecord): void
  protected abstract planWanted(now: Instant, to: NodeId): void
  protected abstract planUnwanted(now: Instant, to: NodeId): void
  /** Called every turn, after everything else: the place to decide anew. */
  protected abstract decide(now: Instant): void
  protected abstract nextDecision(): Instant | undefined
  protected abstract gateway(): string | null
  protected abstract cutOff(): boolean
  abstract planHub(): string | null
  abstract explain(from: string, to: string): PlanExplanation | null
  protected abstract relay(now: Instant): RelayView | null
  protected abstract drain(now: Instant, draining: boolean): void

  // ---- Machine

  handle(now: Instant, input: NodeInput): NodeEffect[] {
    this.#input(now, input)
    this.decide(now)
    for (const { channel, peer, relation } of this.sessions.openDue(now, (to, service) => this.mesh.open(now, to, service))) {
      this.toReplica(now, { type: 'sessionOpened', session: channel, peer: this.mesh.nameOf(peer), relation })
    }
    this.#settle(now)
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  nextWake(): Instant | undefined {
    return [this.mesh.nextWake(), this.replica.nextWake(), this.sessions.nextWake(), this.#pinger.nextWake(), this.nextDecision()].reduce(
      earliest,
    )
  }

  #input(now: Instant, input: NodeInput): void {
    switch (input.type) {
      case 'wake':
        this.mesh.wake(now)
        this.toReplica(now, input)
        this.#ping(now, this.#pinger.wake(now))
        break
      case 'persisted':
      case 'write':
        this.toReplica(now, input)
        break
      case 'wall':
        this.#wallOffsetMs = input.offsetMs
        this.mesh.clock(now, input)
        this.toReplica(now, input)
        break
      case 'lag':
        this.mesh.clock(now, input)
        break
      case 'vitals':
        this.vitals.set(now, input.values)
        break
      case 'ping':
        this.#startPing(now, input)
        break
      case 'cancel':
        this.#cancel(now, input.request)
        break
      case 'openChannel':
      case 'serve':
      case 'channelWrite':
      case 'channelUnread':
      case 'channelFinish':
      case 'channelReset':
        this.#effects.push(...this.#programs.input(now, input))
        break
      case 'drain':
        this.drain(now, input.draining)
        break
      case 'stop':
        this.mesh.stop('the node stops')
        this.toReplica(now, { type: 'flush' })
        break
      default:
        this.mesh.network(now, input)
    }
    this.#settle(now)
  }

  /** Carries effects of the mesh to the replica and the role, and theirs back, until the mesh is quiet. */
  #settle(now: Instant): void {
    for (let effects = this.mesh.takeEffects(); effects.length > 0; effects = this.mesh.takeEffects()) {
      for (const effect of effects) this.#ofMesh(now, effect)
    }
  }

  protected toReplica(now: Instant, input: ReplicaInput): void {
    for (const effect of this.replica.handle(now, input)) this.#ofReplica(now, effect)
  }

  protected report(name: string, data: Record<string, string | number | boolean | null>): void {
    this.#effects.push({ type: 'event', name, data })
  }

  protected accuse(peer: NodeId, detail: string): void {
    this.#effects.push({ type: 'violation', peer: this.mesh.nameOf(peer), code: 'unexpected', detail })
  }

  #ofReplica(now: Instant, effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'sessionSend':
        this.mesh.write(now, effect.session, [this.sessions.pack(effect.session, effect.message)])
        break
      case 'sessionReset':
        this.mesh.reset(now, effect.session, effect.reason)
        break
      case 'flushed':
        this.#effects.push({ type: 'stopped' })
        break
      default:
        this.#effects.push(effect)
    }
  }

  #ofMesh(now: Instant, effect: MeshEffect): void {
    switch (effect.type) {
      case 'linkUp':
        this.linkUp(now, effect.peer)
        break
      case 'linkQuality':
        this.linkQuality(now)
        break
      case 'linkDown':
        this.linkDown(now, effect.peer, effect.reason)
        break
      case 'control':
        this.control(now, effect.peer, effect.message)
        break
      case 'planWanted':
        this.planWanted(now, effect.to)
        break
      case 'planUnwanted':
        this.planUnwanted(now, effect.to)
        break
      case 'channelAccepted':
        this.#accepted(now, effect)
        break
      case 'channelMessages':
      case 'channelBlocked':
      case 'channelWritable':
      case 'channelFinished':
      case 'channelEnded':
        this.#ofChannel(now, effect)
        break
      default:
        this.#effects.push(effect)
    }
  }

  // ---- channels

  #ofChannel(now: Instant, effect: ChannelNews): void {
    const { channel } = effect
    if (this.#programs.owns(channel)) {
      if (effect.type === 'channelEnded') this.#programs.ended(channel)
      this.#effects.push(effect)
      return
    }
    switch (effect.type) {
      case 'channelMessages':
        for (const message of effect.messages) this.#message(now, channel, message)
        break
      case 'channelBlocked':
      case 'channelWritable':
        this.#backpressure(now, channel, effect.type === 'channelBlocked')
        break
      case 'channelFinished':
        // Whoever pings has had enough; sessions are reset, never finished.
        this.mesh.finish(now, channel)
        break
      case 'channelEnded':
        this.#ended(now, channel, effect.reason)
    }
  }

  #accepted(now: Instant, effect: Extract<MeshEffect, { type: 'channelAccepted' }>): void {
    const { channel, peer, service } = effect
    const relation = acceptedRelation(service)
    if (relation) {
      this.sessions.accepted(channel, peer, relation)
      this.toReplica(now, { type: 'sessionOpened', session: channel, peer: this.mesh.nameOf(peer), relation })
    } else if (service === ECHO_SERVICE) {
      this.#echo.accept(channel)
    } else if (this.#programs.serves(service)) {
      this.#effects.push(this.#programs.accepted(effect))
    } else {
      this.mesh.reset(now, channel, `no service ${service.slice(0, 40)} here`)
    }
  }

  #message(now: Instant, channel: number, message: Uint8Array): void {
    if (this.#echo.owns(channel)) {
      const reply = this.#echo.reply(now, channel, message, this.#wallOffsetMs)
      if (reply) this.mesh.write(now, channel, [reply])
    } else if (this.sessions.get(channel)) {
      this.toReplica(now, { type: 'sessionMessage', session: channel, message: this.sessions.unpack(channel, message) })
    } else {
      this.#ping(now, this.#pinger.message(now, channel, message, this.#wallOffsetMs))
    }
  }

  #backpressure(now: Instant, channel: number, blocked: boolean): void {
    if (this.sessions.get(channel)) this.toReplica(now, { type: blocked ? 'sessionBlocked' : 'sessionDrained', session: channel })
    else this.#pinger.blocked(channel, blocked)
  }

  #ended(now: Instant, channel: number, reason: string | null): void {
    this.#echo.forget(channel)
    if (this.sessions.get(channel)) {
      this.sessions.ended(now, channel)
      this.toReplica(now, { type: 'sessionClosed', session: channel })
    }
    this.#ping(now, this.#pinger.ended(channel, reason))
  }

  /** Ends the session with a peer that is no longer wanted. */
  protected endSession(now: Instant, peer: NodeId): void {
    const channel = this.sessions.unwant(peer)
    if (channel === undefined) return
    this.mesh.reset(now, channel, 'the session moves elsewhere')
  }

  // ---- ping

  #startPing(now: Instant, order: Extract<NodeInput, { type: 'ping' }>): void {
    const to = nodeId(order.to)
    this.mesh.learnName(to, order.to)
    const fault = pingFault(this.self, order)
    if (fault) {
      this.#effects.push({ type: 'pingEnded', request: order.request, error: fault })
      return
    }
    const channel = this.mesh.open(now, to, ECHO_SERVICE)
    this.#ping(now, this.#pinger.start(now, { ...order, channel }))
  }

  #cancel(now: Instant, request: number): void {
    const channel = this.#pinger.channelOf(request)
    if (channel === undefined) return
    this.#pinger.cancel(channel)
    this.mesh.finish(now, channel)
  }

  #ping(now: Instant, steps: readonly PingStep[]): void {
    for (const step of steps) {
      switch (step.type) {
        case 'write':
          this.mesh.write(now, step.channel, [step.message])
          break
        case 'finish':
          this.mesh.finish(now, step.channel)
          break
        case 'pinged':
          this.#effects.push({ type: 'pinged', request: step.request, reply: { ...step.reply, path: this.mesh.channelPath(step.channel) } })
          break
        case 'pingEnded':
          this.#effects.push(step)
      }
    }
  }

  // ---- views

  status(now: Instant): StatusView {
    const { name: node, network, site, region, role } = this.credential
    return {
      ...{ node, network, site, region, role },
      version: this.config.version,
      uptimeSeconds: Math.round((now - this.#startedAt) / 1000),
      gateway: this.gateway(),
      cutOff: this.cutOff(),
      uplinks: uplinkViews(now, this.mesh, this.sessions.wantedPeers()),
      links: this.mesh.liveLinks().length,
      channels: this.mesh.channelViews().length,
      relay: this.relay(now),
      replica: this.replica.view(now),
    }
  }

  links(now: Instant): LinkView[] {
    return this.mesh.linkViews(now).toSorted((a, b) => a.to.localeCompare(b.to))
  }

  frameCounts(): FrameCounts {
    return this.mesh.frameCounts()
  }

  linkMetrics(now: Instant): LinkMetrics[] {
    return this.mesh.linkMetrics(now)
  }

  paths(now: Instant, to: string): PathsView {
    this.mesh.learnName(nodeId(to), to)
    return this.mesh.paths(now, nodeId(to))
  }

  use(now: Instant, to: string): PathUseView {
    return { ...this.paths(now, to), reason: this.mesh.explain(now, nodeId(to)) }
  }

  channels(_now: Instant): ChannelView[] {
    return this.mesh.channelViews()
  }
}
