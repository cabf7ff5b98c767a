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
  type Instant,
  type LinkMetrics,
  type LinkView,
  type NodeId,
  type PathsView,
  type StatusView,
  type StoreEntry,
  earliest,
  nodeId,
} from '@causeway/protocol'
import { Mesh, type MeshEffect, type Peer, type Router } from '@causeway/mesh'
import { Replica, type ReplicaEffect, type ReplicaInput } from '@causeway/state'
import type { NodeConfig, NodeEffect, NodeEnvironment, NodeInput, NodeMachine } from './contract.ts'
import { ownCredential } from './own-credential.ts'
import { ECHO_SERVICE, PING_BYTES_MAX, type PingStep, Pinger, echoReply } from './pinger.ts'
import { Sessions, acceptedRelation } from './sessions.ts'

export interface NodeTraits {
  /** Whether to carry frames of others. */
  readonly relay: boolean
  readonly router?: Router
}

export abstract class NodeBase implements NodeMachine {
  readonly replica: Replica
  protected readonly config: NodeConfig
  protected readonly credential: Credential
  protected readonly self: NodeId
  protected readonly mesh: Mesh
  protected readonly sessions: Sessions
  readonly #pinger = new Pinger()
  /** Channels of peers that ping us, and how many messages each has sent. */
  readonly #echoes = new Map<number, number>()
  #wallOffsetMs: number
  readonly #startedAt: Instant
  #effects: NodeEffect[] = []

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>, traits: NodeTraits) {
    const { now, crypto, random, wallOffsetMs } = environment
    this.config = config
    this.credential = ownCredential(config, environment)
    this.self = nodeId(this.credential.name)
    this.#startedAt = now
    this.#wallOffsetMs = wallOffsetMs
    this.sessions = new Sessions(random)
    this.mesh = new Mesh(now, {
      ...traits,
      self: this.self,
      name: this.credential.name,
      credential: config.credential,
      authorityKey: config.authorityKey,
      incarnation: environment.incarnation,
      hubs: config.hubs,
      peers: config.peers,
      uplinks: config.uplinks,
      limits: config.limits,
      crypto,
      random,
    })
    this.mesh.clock(now, { type: 'wall', offsetMs: wallOffsetMs })
    const replicaConfig = { writer: this.credential.name, interest: config.interest, write: this.credential.write, limits: config.limits }
    this.replica = new Replica(replicaConfig, { random, crypto, now, wallOffsetMs }, stored)
  }

  // ---- what a role adds

  protected abstract linkUp(now: Instant, peer: Peer): void
  protected abstract linkDown(now: Instant, peer: Peer, reason: string): void
  protected abstract control(now: Instant, from: NodeId, message: ControlRecord): void
  protected abstract planWanted(now: Instant, to: NodeId): void
  protected abstract planUnwanted(now: Instant, to: NodeId): void
  /** Called every turn, after everything else: the place to decide anew. */
  protected abstract decide(now: Instant): void
  protected abstract nextDecision(): Instant | undefined
  protected abstract gateway(): string | null
  protected abstract cutOff(): boolean

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
      case 'ping':
        this.#startPing(now, input)
        break
      case 'cancel':
        this.#cancel(now, input.request)
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

  #ofReplica(now: Instant, effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'sessionSend':
        this.mesh.write(now, effect.session, effect.message)
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
        this.#accepted(now, effect.channel, effect.peer, effect.service)
        break
      case 'channelMessage':
        this.#message(now, effect.channel, effect.message)
        break
      case 'channelBlocked':
      case 'channelWritable':
        this.#backpressure(now, effect.channel, effect.type === 'channelBlocked')
        break
      case 'channelEnded':
        this.#ended(now, effect.channel, effect.reason)
        break
      default:
        this.#effects.push(effect)
    }
  }

  // ---- channels

  #accepted(now: Instant, channel: number, peer: NodeId, service: string): void {
    const relation = acceptedRelation(service)
    if (relation) {
      this.sessions.accepted(channel, peer, relation)
      this.toReplica(now, { type: 'sessionOpened', session: channel, peer: this.mesh.nameOf(peer), relation })
    } else if (service === ECHO_SERVICE) {
      this.#echoes.set(channel, 0)
    } else {
      this.mesh.reset(now, channel, `no service ${service.slice(0, 40)} here`)
    }
  }

  #message(now: Instant, channel: number, message: Uint8Array): void {
    const echoed = this.#echoes.get(channel)
    if (echoed !== undefined) {
      const reply = echoReply(now, message, echoed + 1, this.#wallOffsetMs)
      this.#echoes.set(channel, echoed + 1)
      if (reply) this.mesh.write(now, channel, reply)
    } else if (this.sessions.get(channel)) {
      this.toReplica(now, { type: 'sessionMessage', session: channel, message })
    } else {
      this.#ping(now, this.#pinger.message(now, channel, message, this.#wallOffsetMs))
    }
  }

  #backpressure(now: Instant, channel: number, blocked: boolean): void {
    if (this.sessions.get(channel)) this.toReplica(now, { type: blocked ? 'sessionBlocked' : 'sessionDrained', session: channel })
    else this.#pinger.blocked(channel, blocked)
  }

  #ended(now: Instant, channel: number, reason: string | null): void {
    this.#echoes.delete(channel)
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
    const fault = this.#pingFault(order)
    if (fault) {
      this.#effects.push({ type: 'pingEnded', request: order.request, error: fault })
      return
    }
    const channel = this.mesh.open(now, to, ECHO_SERVICE)
    this.#ping(now, this.#pinger.start(now, { ...order, channel }))
  }

  #pingFault(order: Extract<NodeInput, { type: 'ping' }>): string | undefined {
    if (nodeId(order.to) === this.self) return 'a node does not ping itself; name another node'
    if (!(order.bytes >= 0 && order.bytes <= PING_BYTES_MAX)) return `a ping carries 0 to ${PING_BYTES_MAX} bytes`
    if (!(order.intervalMs >= 1 && order.count >= 1)) return 'a ping needs an interval of at least 1 ms and a count of at least 1'
    return undefined
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
          this.mesh.write(now, step.channel, step.message)
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
    const { name, network, site, region, role } = this.credential
    const home = this.sessions.wantedPeers()
    const uplinks = this.mesh
      .linkViews(now)
      .flatMap((view) => {
        const link = this.mesh.link(nodeId(view.to))
        if (link?.peer.credential.role !== 'hub') return []
        const { forward, backward } = view.lossRatio
        const lossRatio = forward === null || backward === null ? null : 1 - (1 - forward) * (1 - backward)
        return [{ hub: view.to, state: view.state, rttMs: view.rttMs.smoothed, lossRatio, home: home.includes(link.peer.id) }]
      })
      .toSorted((a, b) => a.hub.localeCompare(b.hub))
    return {
      node: name,
      network,
      site,
      region,
      role,
      version: this.config.version,
      uptimeSeconds: Math.round((now - this.#startedAt) / 1000),
      gateway: this.gateway(),
      cutOff: this.cutOff(),
      uplinks,
      links: this.mesh.liveLinks().length,
      channels: this.mesh.channelViews().length,
      replica: this.replica.view(now),
    }
  }

  links(now: Instant): LinkView[] {
    return this.mesh.linkViews(now).toSorted((a, b) => a.to.localeCompare(b.to))
  }

  linkMetrics(now: Instant): LinkMetrics[] {
    return this.mesh.linkMetrics(now)
  }

  paths(now: Instant, to: string): PathsView {
    this.mesh.learnName(nodeId(to), to)
    return this.mesh.paths(now, nodeId(to))
  }

  channels(_now: Instant): ChannelView[] {
    return this.mesh.channelViews()
  }
}
