/**
 * The links of a node: authenticated adjacencies, whatever connection carries them at the moment.
 *
 * A connection begins as a stranger's; two hellos make it the link's. A link outlives its connections: when its monitor finds it
 * dead the connection is reset (what is stuck in its buffers must not come later), and the next handshake gives a new epoch.
 *
 *  1. A link has at most one connection; a newer admitted one replaces the older.
 *  2. Nothing but a hello is read from a connection that is not admitted; it has 5 s to say it.
 *  3. `linkUp` and `linkDown` alternate for each peer.
 *  4. Frames that may not leave yet wait within a bound (`Egress`): what is dropped, channels send again.
 *  5. Of two processes with one name, the one that was started last has the link, as long as it is up.
 *  6. A connection ends with the credential of its peer, by our clock: a new one would be refused.
 */
import {
  DIALLED_SELF,
  type ClockInput,
  type ConnectionId,
  type ControlMessage,
  type ControlRecord,
  Deadlines,
  type Hello,
  type Instant,
  type Lane,
  type NetworkInput,
  type NodeId,
  after,
  decodeControl,
  earliest,
  encodeControl,
} from '@causeway/protocol'
import { IdleBeat } from '@causeway/probe'
import { type Peer, helloOf, readGreeting } from './admission.ts'
import { type Connection, olderStays, openedConnection } from './connection.ts'
import { Dialer } from './dialer.ts'
import { Link, type LinkEffect } from './link.ts'
import { LinkTable } from './link-table.ts'
import type { LinksConfig, LinksEffect } from './links-contract.ts'
import { StreamLane } from './stream-lane.ts'

const GREETING_MS = 5_000
/** How often uplinks are probed that carry nothing, ms; see `pace`. */
const PACE_MS = 1_000
/** The same within a site, where packets are free. Such links are not held back either: there is no other way between neighbours. */
const LAN_PACE_MS = 500

export class Links {
  readonly table: LinkTable
  readonly dialer: Dialer
  readonly #config: LinksConfig
  /** Of the links that carry nothing. */
  readonly #beat = new IdleBeat()
  readonly #connections = new Map<ConnectionId, Connection>()
  readonly #deadlines = new Deadlines<Link | Connection>()
  #paceMs = PACE_MS
  /** We can reach no hub. */
  #needed = true
  readonly #effects: LinksEffect[] = []
  /** What is flooded is said to many in a row. */
  #said: { readonly message: ControlRecord; readonly bytes: Uint8Array } | undefined

  constructor(now: Instant, config: LinksConfig) {
    this.#config = config
    this.table = new LinkTable(config.name)
    this.dialer = config.dialer ?? new Dialer(now, config)
  }

  // ---- what others ask and say

  /** How often to probe uplinks that carry nothing, ms; and whether somebody of our site reaches a hub besides us. */
  setNeed(now: Instant, { idleMs, helped }: { readonly idleMs: number; readonly helped: boolean }): void {
    this.table.helped = helped
    this.#tellNeed(now)
    if (idleMs === this.#paceMs) return
    this.#paceMs = idleMs
    for (const link of this.table.hubs()) this.#apply(now, link, link.pace(now, idleMs))
  }

  /** A hub wants to be left, or is there again: as long as it does it counts as no uplink. */
  setDraining(now: Instant, hub: NodeId, draining: boolean): void {
    this.dialer.setDraining(hub, draining)
    this.#dial(now)
  }

  sendControl(peer: NodeId, message: ControlRecord): void {
    const link = this.table.get(peer)
    if (this.#said?.message !== message) this.#said = { message, bytes: encodeControl(message) }
    if (link?.connection !== undefined) this.#send(link.connection, 'control', this.#said.bytes)
  }

  /** Hands a frame to a neighbour. False if there is no live link: the frame is dropped. */
  sendFrame(now: Instant, peer: NodeId, frame: Uint8Array): boolean {
    const link = this.table.get(peer)
    if (!link?.up || link.connection === undefined) return false
    if (link.hurries(now, frame)) this.#send(link.connection, 'datagram', frame)
    else link.lane?.send(now, frame)
    const news = link.carried(now, frame.length)
    if (news.length > 0) this.#apply(now, link, news)
    return true
  }

  clock(now: Instant, input: ClockInput): void {
    if (input.type === 'wall') this.table.wallOffsetMs = input.offsetMs
    for (const link of this.table.all()) this.#apply(now, link, input.type === 'wall' ? [] : link.monitor(now, input))
  }

  network(now: Instant, input: NetworkInput): void {
    switch (input.type) {
      case 'connected':
        this.#connected(now, input)
        break
      case 'received':
        this.#received(now, input.connection, input.lane, input.messages)
        break
      case 'probed':
        this.#probed(now, input)
        break
      case 'disconnected':
        this.#disconnected(now, input.connection, input.reason)
        break
      case 'dialFailed':
        this.dialer.failed(now, input.address, this.table.isAlone)
        this.#tellFault('dial-failed', input.address, { address: input.address, reason: input.reason })
        break
      case 'laneBlocked':
      case 'laneDrained':
        this.#backpressure(now, input.connection, input.lane, input.type === 'laneBlocked')
    }
    this.#dial(now)
  }

  /** Says good-bye to everybody, since the process stops, so that nobody has to find out by silence; or only to that peer. */
  stop(now: Instant, reason: string, only?: NodeId): void {
    for (const connection of [...this.#connections.values()]) {
      const { id, link } = connection
      if (only === undefined) this.#close(id, reason, true)
      if (link?.connection !== id || link.peer.id !== only) continue
      this.#forget(now, connection)
      this.#close(id, reason)
      this.#apply(now, link, link.detach(now, reason, true))
    }
  }

  wake(now: Instant): void {
    for (const due of this.#deadlines.due(now)) {
      if (due instanceof Link) {
        const ended = this.table.ended(now, due)
        if (ended !== undefined) this.stop(now, ended, due.peer.id)
        this.#apply(now, due, due.wake(now))
      } else if (!due.link && this.#connections.has(due.id)) this.#refuse(now, due, `no hello within ${GREETING_MS / 1000} s`, false)
    }
    this.#dial(now)
  }

  nextWake(): Instant | undefined {
    return earliest(this.#deadlines.next(), this.dialer.nextWake(this.#connectedTo))
  }

  takeEffects(): LinksEffect[] {
    return this.#effects.splice(0)
  }

  // ---- connections

  readonly #connectedTo = (node: NodeId): boolean => this.table.get(node)?.connection !== undefined

  #dial(now: Instant): void {
    for (const dial of this.dialer.takeDue(now, this.#connectedTo)) this.#effects.push({ type: 'dial', ...dial })
  }

  #connected(now: Instant, input: Extract<NetworkInput, { type: 'connected' }>): void {
    const { connection: id, address, from } = input
    const connection = openedConnection(now, input)
    this.#connections.set(id, connection)
    if (address !== undefined) this.dialer.connected(now, address, from)
    this.#deadlines.set(connection, after(now, GREETING_MS))
    this.#send(id, 'control', encodeControl(helloOf(this.#config, this.table.isCutOff, input)))
  }

  #disconnected(now: Instant, id: ConnectionId, reason: string): void {
    const connection = this.#connections.get(id)
    if (!connection) return
    this.#forget(now, connection)
    const { link, farewell } = connection
    if (link?.connection === id) this.#apply(now, link, link.detach(now, farewell ?? reason, farewell !== undefined))
  }

  /** `by`: what takes its place; if it was dialled at the same address, that has not failed. */
  #forget(now: Instant, connection: Connection, by?: Connection): void {
    this.#connections.delete(connection.id)
    this.#deadlines.set(connection, undefined)
    if (connection.address !== undefined && connection.address !== by?.address)
      this.dialer.failed(now, connection.address, this.table.isAlone)
  }

  #close(id: ConnectionId, reason: string, stops = false): void {
    this.#send(id, 'control', encodeControl({ type: 'bye', reason: reason.slice(0, 300), ...(stops && { stops }) }))
    this.#effects.push({ type: 'close', connection: id, reason })
  }

  #refuse(now: Instant, connection: Connection, reason: string, violation: boolean): void {
    this.#forget(now, connection)
    this.#close(connection.id, reason)
    if (connection.address !== undefined) this.dialer.blame(connection.address, reason)
    if (violation) this.#effects.push({ type: 'violation', peer: connection.remote, code: 'bad-credential', detail: reason })
  }

  /** What is tried again and again is told once. */
  #tellFault(name: string, address: string | undefined, data: { readonly reason: string; readonly [who: string]: string }): void {
    if (address === undefined || this.dialer.blame(address, data.reason)) this.#effects.push({ type: 'event', name, data })
  }

  #send(connection: ConnectionId, lane: Lane, message: Uint8Array): void {
    this.#effects.push({ type: 'send', connection, lane, message })
  }

  #backpressure(now: Instant, id: ConnectionId, lane: Lane, blocked: boolean): void {
    const link = this.#connections.get(id)?.link
    if (link?.connection !== id) return
    if (lane === 'stream') link.lane?.block(now, blocked)
    else if (lane === 'control' && blocked) this.#close(id, 'its control queue overflowed')
  }

  /** Whether we, or our site, can reach a hub has perhaps changed: links to hubs are held back only while that is so. */
  #tellNeed(now: Instant): void {
    const needed = this.table.isCutOff
    if (needed === this.#needed) return
    this.#needed = needed
    for (const link of this.table.hubs()) this.#apply(now, link, link.need(now, needed))
  }

  // ---- messages

  #received(now: Instant, id: ConnectionId, lane: Lane, messages: readonly Uint8Array[]): void {
    const link = this.#connections.get(id)?.link
    if (link?.connection !== id || lane === 'control') {
      // The other lanes may be faster than the hello on this one: what they carry is lost, and comes again.
      if (lane === 'control') for (const message of messages) this.#receivedControl(now, id, message)
      return
    }
    let bytes = 0
    for (const message of messages) bytes += message.length
    const frames = lane === 'stream' && link.lane ? link.lane.receive(now, messages) : messages
    if (!frames) this.#malformed(link, lane)
    for (const frame of frames ?? []) this.#effects.push({ type: 'frameArrived', peer: link.peer.id, frame })
    const news = link.arrived(now, bytes)
    if (news.length > 0) this.#apply(now, link, news)
  }

  #receivedControl(now: Instant, id: ConnectionId, bytes: Uint8Array): void {
    const connection = this.#connections.get(id)
    const link = connection?.link
    const message = decodeControl(bytes)
    if (!connection) return
    if (!link) this.#greeted(now, connection, message)
    else if (link.connection !== id) return
    else if (message) this.#control(now, connection, link, message)
    else this.#malformed(link, 'control')
  }

  #malformed(link: Link, lane: Lane): void {
    this.#effects.push({ type: 'violation', peer: link.name, code: 'malformed', detail: `sends a ${lane} message that cannot be read` })
  }

  #probed(now: Instant, { connection, at, packet }: Extract<NetworkInput, { type: 'probed' }>): void {
    const link = this.#connections.get(connection)?.link
    if (!link || link.connection !== connection) return
    const input = packet.type === 'probe' ? { type: 'probed' as const, probe: packet } : { type: 'reply' as const, reply: packet }
    this.#apply(now, link, link.monitor(now, { ...input, via: 'udp', at }))
  }

  #control(now: Instant, connection: Connection, link: Link, message: ControlMessage): void {
    switch (message.type) {
      case 'probe':
        this.#send(connection.id, 'control', encodeControl(link.reflect(now, message)))
        this.#apply(now, link, link.monitor(now, { type: 'probed', via: 'control', at: now, probe: message }))
        return
      case 'reply':
        this.#apply(now, link, link.monitor(now, { type: 'reply', via: 'control', at: now, reply: message }))
        return
      case 'bye':
        connection.farewell = `closed by the peer: ${message.reason}`
        this.#effects.push({ type: 'control', peer: link.peer.id, message })
        this.#tellFault('link-closed-by-peer', connection.address, { peer: link.name, reason: message.reason })
        return
      case 'hello':
        return
      default:
        this.#effects.push({ type: 'control', peer: link.peer.id, message })
    }
  }

  #greeted(now: Instant, connection: Connection, message: ControlMessage | undefined): void {
    const greeting = readGreeting(this.#config, message, connection.peerKey, now + this.table.wallOffsetMs)
    const { id, address, remote } = connection
    switch (greeting.type) {
      case 'admitted':
        if (greeting.peer.id === this.#config.self) this.#refuse(now, connection, DIALLED_SELF, false)
        else this.#admitted(now, connection, greeting.peer, greeting.hello)
        break
      case 'refused':
        this.#refuse(now, connection, greeting.reason, true)
        break
      case 'refusedByPeer':
        this.#forget(now, connection)
        this.#effects.push({ type: 'close', connection: id, reason: 'refused by the peer' })
        this.#tellFault('link-refused', address, { remote, reason: greeting.reason })
    }
  }

  #admitted(now: Instant, connection: Connection, peer: Peer, hello: Hello): void {
    if (connection.address !== undefined && !this.dialer.identified(connection.address, peer.id, hello.addresses))
      return this.#refuse(now, connection, 'another node answers there than the one that is looked for', false)
    const link = this.table.get(peer.id)
    const older = link?.connection === undefined ? undefined : this.#connections.get(link.connection)
    if (link && older) {
      const double = link.doubleOf(peer, connection.remote)
      if (double) {
        this.#effects.push(...double.news)
        return this.#refuse(now, connection, double.reason, false)
      }
      if (link.peer.incarnation === peer.incarnation && olderStays(now, this.#config.self, peer.id, older, connection)) {
        this.#forget(now, connection)
        this.#close(connection.id, 'both ends dialled at once; the other connection stays')
        return
      }
      older.link = undefined
      this.#forget(now, older, connection)
      this.#close(older.id, 'replaced by a newer connection')
    }
    this.#attach(now, connection, peer, hello)
  }

  #attach(now: Instant, connection: Connection, peer: Peer, { datagram, stream, ...hello }: Hello): void {
    this.#deadlines.set(connection, undefined)
    let link = this.table.get(peer.id)
    const { incarnation } = peer
    if (link && link.peer.incarnation !== incarnation) this.#effects.push({ type: 'peerRestarted', peer: peer.id, incarnation })
    link ??= this.table.add(new Link(peer, this.#config.random, this.#beat))
    connection.link = link
    if (link.isHub) this.#apply(now, link, [...link.pace(now, this.#paceMs), ...link.need(now, this.#needed)])
    const near = this.#isNear(peer)
    if (near) this.#apply(now, link, [...link.pace(now, LAN_PACE_MS), ...link.need(now, true)])
    const { id, address } = connection
    this.#effects.push({ type: 'openLanes', connection: id, datagram, stream })
    const alone = near || hello.alone || this.table.isCutOff
    link.lane = new StreamLane(now, {
      self: this.#config.self,
      queueBytesMax: this.#config.limits.laneQueueBytesMax,
      onDrop: (reason) => this.#effects.push({ type: 'frameDropped', reason }),
      send: (message) => this.#send(id, 'stream', message),
    })
    this.#apply(now, link, link.attach(now, { connection: id, address, peer, datagrams: connection.datagrams && datagram !== null, alone }))
  }

  #isNear({ credential }: Peer): boolean {
    return credential.role !== 'hub' && credential.site === this.#config.site
  }

  /** Carries out what a link wants, and asks it anew when it wants to be woken. */
  #apply(now: Instant, link: Link, effects: readonly LinkEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'probe':
          if (link.connection === undefined) break
          if (effect.via === 'udp') this.#effects.push({ type: 'probe', connection: link.connection, probe: effect.probe })
          else this.#send(link.connection, 'control', encodeControl(effect.probe))
          break
        case 'reset': {
          const connection = link.connection === undefined ? undefined : this.#connections.get(link.connection)
          if (!connection) break
          this.#forget(now, connection)
          this.#effects.push({ type: 'close', connection: connection.id, reason: effect.reason })
          this.#apply(now, link, link.detach(now, effect.reason, false))
          break
        }
        case 'returned':
          this.sendControl(link.peer.id, { type: 'returned' })
          break
        case 'quality':
          this.#effects.push({ type: 'linkQuality', peer: link.peer })
          break
        case 'up':
          if (link.address !== undefined) this.dialer.worked(link.address)
          if (this.#isNear(link.peer)) this.dialer.regained(now, link.peer.id)
          this.#effects.push({ type: 'linkUp', peer: link.peer })
          this.#toldState(now, link, effect)
          break
        case 'down':
          this.#effects.push({ type: 'linkDown', peer: link.peer, reason: effect.reason })
          this.#toldState(now, link, effect)
      }
    }
    this.#deadlines.set(link, this.table.wakeOf(link))
  }

  #toldState(now: Instant, { name, epoch }: Link, { type, reason }: { readonly type: 'up' | 'down'; readonly reason: string }): void {
    this.#effects.push({ type: 'event', name: `link-${type}`, data: { peer: name, epoch, reason } })
    this.#tellNeed(now)
  }
}
