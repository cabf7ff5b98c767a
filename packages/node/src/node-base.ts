/**
 * What every node is made of: a mesh, a replica, state sessions between them, and the echo service. Edge nodes and
 * hubs add whom they exchange state with and where plans come from.
 * The base routes: inputs to the part they concern, effects of one part to the other, and the rest to the driver.
 *
 *  1. What a turn causes inside is done before `handle` returns: no effect waits for the next wake.
 *  2. Everything that leaves this node as state has been persisted before (the replica sees to that).
 */
import {
  type ControlRecord,
  type Credential,
  type Instant,
  type NodeId,
  type PlanExplanation,
  REVOCATIONS,
  type RelayView,
  type StatusView,
  type StoreEntry,
  earliest,
  nodeId,
} from '@causeway/protocol'
import { type Dialer, Mesh, type MeshEffect, type Peer, type Router } from '@causeway/mesh'
import {
  type ChangeEffect,
  Replica,
  type ReplicaEffect,
  type ReplicaInput,
  type Vitals,
  type WriteInput,
  type WriteOutcome,
} from '@causeway/state'
import { STOPS } from './cut-off-reason.ts'
import type { NodeConfig, NodeEffect, NodeEnvironment, NodeInput, NodeMachine } from './contract.ts'
import { HUBS, HubDirectory } from './hub-directory.ts'
import { OwnWrites } from './own-writes.ts'
import { ownCredential } from './own-credential.ts'
import { ownVitals } from './own-vitals.ts'
import { NodeViews } from './node-views.ts'
import { Pings } from './pings.ts'
import { Programs } from './programs.ts'
import { type ChannelNews, type NodeService, tellService } from './services.ts'
import { Sessions, acceptedRelation } from './sessions.ts'
import type { TaskHost } from './tasks/task-host.ts'
import { matesOf } from './site-mates.ts'
import { type AuthorityParts, type Granting, TaskService } from './tasks/task-service.ts'
import { uplinkViews } from './uplink-views.ts'
import type { NodeVerdict } from './verdict.ts'

export interface NodeTraits {
  /** Whose frames to carry. */
  readonly relay: 'all' | 'site'
  readonly router?: Router
  readonly dialer: Dialer
}

export abstract class NodeBase extends NodeViews implements NodeMachine {
  readonly replica: Replica
  readonly vitals: Vitals
  protected readonly config: NodeConfig
  protected readonly credential: Credential
  protected readonly self: NodeId
  protected readonly mesh: Mesh
  protected readonly sessions: Sessions
  readonly #pings: Pings
  protected readonly desk: TaskService
  protected readonly services: NodeService[]
  readonly #programs: Programs
  #wallOffsetMs: number
  readonly #startedAt: Instant
  readonly #ownWrites = new OwnWrites()
  readonly #hubDirectory: HubDirectory
  readonly #effects: NodeEffect[] = []

  constructor(config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>, traits: NodeTraits) {
    super()
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
      ...{ self: this.self, name: this.credential.name, site: this.credential.site },
      isCalm: (service) => acceptedRelation(service) !== undefined,
      isRevoked: (name) => this.replica.isRevoked(name),
    })
    this.mesh.clock(now, { type: 'wall', offsetMs: wallOffsetMs })
    this.#programs = new Programs(this.mesh, this.self)
    const { mesh, self } = this
    this.#pings = new Pings({ mesh, self, wallMs: (at) => this.wallMs(at), emit: (effect) => this.#effects.push(effect) })
    const { name: writer, write, role } = this.credential
    this.vitals = ownVitals(this.credential, config, environment, this.mesh)
    const core = role === 'hub' && !config.parents?.length
    this.replica = new Replica({ ...config, writer, write, core }, { ...environment, vitals: this.vitals }, stored)
    this.#hubDirectory = new HubDirectory({ self: this.credential, config, dialer: traits.dialer, replica: this.replica })
    this.#hubDirectory.look(now)
    this.desk = new TaskService(now, this.#taskHost(environment), this.replica)
    this.services = [this.#pings, this.desk]
  }

  #taskHost({ crypto, random }: NodeEnvironment): TaskHost {
    const { credential, config, mesh } = this
    return {
      ...{ credential, crypto, random, mesh, place: config.allocator ?? { engine: 'none' }, strict: new Set(config.strictCollections) },
      wallMs: (now) => Math.round(this.wallMs(now)),
      write: (now, write, done) => this.writeOwn(now, write, done),
      cutOff: () => this.cutOff(),
      hubs: () => this.hubsKnown(),
      mates: () => matesOf(mesh, credential.site),
      isLone: () => config.peers.length === 0 && this.siteMates().length === 0,
      emit: (effect) => this.#effects.push(effect),
    }
  }

  protected abstract linkUp(now: Instant, peer: Peer): void
  protected abstract linkDown(now: Instant, peer: Peer, reason: string): void
  /** A link has begun to lose more than it should, or is sound again. */
  protected linkQuality(_now: Instant): void {}
  /** Our own event loop was late: what seemed silent meanwhile may not have been. */
  protected lagged(_now: Instant, _lagMs: number): void {}
  /** Hubs that can be reached, best first. */
  protected hubsKnown(): readonly NodeId[] {
    return this.mesh.liveLinks('hub').map(({ peer }) => peer.id)
  }
  /** Other nodes of the site that were ever heard of. */
  protected siteMates(): readonly string[] {
    return matesOf(this.mesh, this.credential.site)
  }
  /** A record is shown to readers as it was not before. */
  protected recordChanged(_now: Instant, _change: ChangeEffect): void {}
  protected abstract control(now: Instant, from: NodeId, message: ControlRecord): void
  protected abstract planWanted(now: Instant, to: NodeId): void
  protected abstract planUnwanted(now: Instant, to: NodeId): void
  /** Called every turn, after everything else: the place to decide anew. */
  protected abstract decide(now: Instant): void
  protected abstract nextDecision(): Instant | undefined
  protected abstract gateway(): string | null
  abstract cutOff(): boolean
  abstract verdicts(now: Instant): readonly NodeVerdict[]
  abstract planHub(): string | null
  abstract explain(from: string, to: string): PlanExplanation | null
  protected abstract relay(now: Instant): RelayView | null
  protected abstract drain(now: Instant, draining: boolean): void

  handle(now: Instant, input: NodeInput): NodeEffect[] {
    this.desk.begin(now)
    this.#input(now, input)
    this.decide(now)
    for (const write of this.#hubDirectory.news()) this.writeOwn(now, write)
    this.desk.settle(now)
    for (const { channel, peer, relation } of this.sessions.openDue(now, (to, service) => this.mesh.open(now, to, service))) {
      this.toReplica(now, { type: 'sessionOpened', session: channel, peer: this.mesh.nameOf(peer), relation })
    }
    for (this.#settle(now); this.#write(now); this.#settle(now)) this.desk.settle(now)
    return this.#effects.splice(0)
  }

  nextWake(): Instant | undefined {
    const ofParts = earliest(earliest(this.mesh.nextWake(), this.replica.nextWake()), this.sessions.nextWake())
    return this.services.reduce((next, service) => earliest(next, service.nextWake()), earliest(ofParts, this.nextDecision()))
  }

  #input(now: Instant, input: NodeInput): void {
    switch (input.type) {
      case 'wake':
        this.mesh.wake(now)
        this.toReplica(now, input)
        for (const service of this.services) service.wake(now)
        break
      case 'persisted':
      case 'writeShared':
      case 'write':
        if (input.type !== 'write' || !this.desk.takesStrict(now, input)) this.toReplica(now, input)
        break
      case 'wall':
        this.desk.wallMoved(now, input.offsetMs - this.#wallOffsetMs, input.slept)
        this.#wallOffsetMs = input.offsetMs
        this.mesh.clock(now, input)
        this.toReplica(now, input)
        break
      case 'lag':
        this.lagged(now, input.lagMs)
        this.mesh.clock(now, input)
        break
      case 'vitals':
        this.vitals.set(now, input.values)
        break
      case 'ping':
        this.#pings.start(now, input)
        break
      case 'cancel':
        this.#pings.cancel(now, input.request)
        break
      case 'openChannel':
      case 'serve':
      case 'channelWrite':
      case 'channelUnread':
      case 'channelFinish':
      case 'channelReset':
        this.#effects.push(...this.#programs.input(now, input))
        break
      case 'orderTask':
      case 'explainTask':
      case 'work':
      case 'workEnded':
      case 'reportTask':
      case 'leaseAnswer':
        this.desk.input(now, input)
        break
      case 'drain':
        this.drain(now, input.draining)
        break
      case 'stop':
        this.mesh.stop(STOPS)
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

  /** A write of the node itself, of which the driver does not hear. */
  protected writeOwn(_now: Instant, write: Omit<WriteInput, 'type' | 'request'>, done: (result: WriteOutcome) => void = () => {}): void {
    this.#ownWrites.add(write, done)
  }

  /** What the node has written in this turn; false if that is nothing. */
  #write(now: Instant): boolean {
    const writes = this.#ownWrites.take()
    if (writes.length > 0) this.toReplica(now, { type: 'writes', writes })
    return writes.length > 0
  }

  protected wallMs(now: Instant): number {
    return now + this.#wallOffsetMs
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
      case 'written':
        if (!this.#ownWrites.answered(effect.request, effect.result)) this.#effects.push(effect)
        break
      case 'change':
        this.#effects.push(effect)
        this.desk.changed(now, effect)
        this.recordChanged(now, effect)
        if (effect.collection === HUBS) this.#hubDirectory.look(now)
        if (effect.collection === REVOCATIONS && this.replica.isRevoked(effect.record.key))
          this.mesh.stop(`${effect.record.key} was revoked`, nodeId(effect.record.key))
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

  #ofChannel(now: Instant, effect: ChannelNews): void {
    const { channel } = effect
    if (this.#programs.owns(channel)) {
      if (effect.type === 'channelEnded') this.#programs.ended(channel)
      this.#effects.push(effect)
      return
    }
    if (this.sessions.get(channel)) return this.#ofSession(now, effect)
    const service = this.services.find((each) => each.owns(channel))
    const next = service && tellService(service, now, effect)
    if (next === 'finish') this.mesh.finish(now, channel)
    if (next === 'reset') this.mesh.reset(now, channel, 'a message that no such node sends')
  }

  #ofSession(now: Instant, effect: ChannelNews): void {
    const session = effect.channel
    switch (effect.type) {
      case 'channelMessages':
        for (const message of effect.messages)
          this.toReplica(now, { type: 'sessionMessage', session, message: this.sessions.unpack(session, message) })
        break
      case 'channelBlocked':
      case 'channelWritable':
        this.toReplica(now, { type: effect.type === 'channelBlocked' ? 'sessionBlocked' : 'sessionDrained', session })
        break
      case 'channelFinished':
        // Sessions are reset, never finished.
        this.mesh.finish(now, session)
        break
      case 'channelEnded':
        this.sessions.ended(now, session)
        this.toReplica(now, { type: 'sessionClosed', session })
    }
  }

  #accepted(now: Instant, effect: Extract<MeshEffect, { type: 'channelAccepted' }>): void {
    const { channel, peer, service } = effect
    const relation = this.sessions.accepted(channel, peer, service)
    const inside = this.services.find((each) => each.serves(service))
    if (relation) {
      this.toReplica(now, { type: 'sessionOpened', session: channel, peer: this.mesh.nameOf(peer), relation })
    } else if (inside) {
      inside.accepted(channel, peer)
    } else if (this.#programs.serves(service)) {
      this.#effects.push(this.#programs.accepted(effect))
    } else {
      this.mesh.reset(now, channel, `no service ${service.slice(0, 40)} here`)
    }
  }

  /** Ends the session with a peer that is no longer wanted. */
  protected endSession(now: Instant, peer: NodeId): void {
    const channel = this.sessions.unwant(peer)
    if (channel === undefined) return
    this.mesh.reset(now, channel, 'the session moves elsewhere')
  }

  status(now: Instant): StatusView {
    const { name: node, network, site, region, role, notAfterMs: credentialEndsAt } = this.credential
    return {
      ...{ node, network, site, region, role, credentialEndsAt },
      version: this.config.version,
      uptimeSeconds: Math.round((now - this.#startedAt) / 1000),
      ...{ gateway: this.gateway(), cutOff: this.cutOff(), relay: this.relay(now), replica: this.replica.view(now) },
      unreached: this.mesh.unreached(),
      uplinks: uplinkViews(now, this.mesh, this.sessions.wantedPeers()),
      ...{ links: this.mesh.liveLinks().length, channels: this.mesh.channelViews().length },
    }
  }

  /** Makes this node one that grants tasks. */
  protected grantTasks(make: (parts: AuthorityParts) => Granting): void {
    this.desk.grantBy(make)
  }
}
