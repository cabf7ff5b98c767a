/**
 * The datagram lane without its socket: who may send to us under which number, what their packets say, and the
 * answers to their probes. A datagram proves by its seal that it came from the peer of its association; the address
 * it came from proves nothing and is only remembered once the seal has been checked.
 *
 *  1. Each direction has its own key, chosen by the receiver, new for every connection; a counter is never reused.
 *  2. A message is delivered at most once (`ReplayWindow`).
 *  3. The remote address follows the peer (a NAT that rebinds), but only after authentication.
 *  4. What is not authenticated costs a counter: it leaves no other trace, and nobody hears of it.
 *  5. A probe is answered to the authenticated address only, by a packet as long as itself.
 */
import type { ConnectionId, DatagramKey, Instant } from '@causeway/protocol'
import { KIND_PROBE, KIND_REPLY, SENT_OFFSET, decodeProbePacket, encodeProbePacket, stampOf } from '@causeway/protocol/probe-packet'
import { ReplayWindow } from '@causeway/protocol/replay-window'
import { Reflector } from '@causeway/probe/reflector'
import type { DropCounters, DropReason } from './datagram-drops.ts'
import type { DepartureLead } from './departure-lead.ts'
import { SEAL_BYTES, counterOf, indexOf, open, seal } from './datagram-seal.ts'
import type { HostPort } from './host-port.ts'
import type { Pulse } from './pulse.ts'

/** Datagrams of one path overtake each other by far less. */
const REPLAY_WINDOW = 1_024

export interface SealedLaneOptions {
  readonly now: () => Instant
  /** Of the process that the lane answers for. */
  readonly pulse: Pulse
  readonly drops: DropCounters
  readonly lead: DepartureLead
}

/** A packet ready to go. */
export interface Departure {
  readonly packet: Buffer
  readonly to: HostPort
  /** The local address that it is to leave from, if not any. */
  readonly from?: string | undefined
  /** When the stamp of departure in it was made, if it bears one. */
  readonly stampedAt?: Instant
}

/** An authentic message. */
export interface Arrival {
  readonly connection: ConnectionId
  readonly message: Uint8Array
  /** To be sent at once, if the message is a probe. */
  readonly reply: Departure | undefined
}

interface Association {
  readonly connection: ConnectionId
  readonly index: number
  /** Opens what comes. */
  readonly key: Uint8Array
  readonly seen: ReplayWindow
  readonly reflector: Reflector
  /** The highest authenticated counter: only newer datagrams move the address. */
  newest: number
  /** Seals what goes. */
  remote: DatagramKey | undefined
  address: HostPort | undefined
  readonly from: string | undefined
  counter: number
}

export class SealedLane {
  readonly #options: SealedLaneOptions
  readonly #byIndex = new Map<number, Association>()
  readonly #byConnection = new Map<ConnectionId, Association>()

  constructor(options: SealedLaneOptions) {
    this.#options = options
  }

  /** `address` is where the peer takes datagrams, or `undefined` if its first one has to tell. */
  associate(connection: ConnectionId, local: DatagramKey, address: HostPort | undefined, from?: string): void {
    const association: Association = {
      connection,
      index: local.index,
      key: local.key,
      seen: new ReplayWindow(REPLAY_WINDOW),
      reflector: new Reflector(),
      newest: -1,
      remote: undefined,
      address,
      from,
      counter: 0,
    }
    this.#byIndex.set(local.index, association)
    this.#byConnection.set(connection, association)
  }

  /** From now on datagrams to the peer of `connection` are sealed with its key. */
  openRemote(connection: ConnectionId, remote: DatagramKey): void {
    const association = this.#byConnection.get(connection)
    if (association) association.remote = remote
  }

  forget(connection: ConnectionId): void {
    const association = this.#byConnection.get(connection)
    if (!association) return
    this.#byConnection.delete(connection)
    this.#byIndex.delete(association.index)
  }

  /** `undefined` as long as the peer's key or address is not known. */
  seal(connection: ConnectionId, message: Uint8Array): Departure | undefined {
    const association = this.#byConnection.get(connection)
    return association && sealFor(association, message)
  }

  /** Writes the stamp of departure into an encoded probe, then seals it. */
  sealProbe(connection: ConnectionId, probe: Uint8Array): Departure | undefined {
    const { now, lead } = this.#options
    const stampedAt = now()
    const stamped = Buffer.from(probe)
    stamped.writeUInt32BE(stampOf(lead.from(stampedAt)), SENT_OFFSET)
    const departure = this.seal(connection, stamped)
    return departure && { ...departure, stampedAt }
  }

  /** What a packet that came `from` there at `at` means: `undefined` if nothing, which has been counted. */
  receive(packet: Buffer, from: HostPort, at: Instant): Arrival | undefined {
    if (packet.length < SEAL_BYTES) return this.#drop('short')
    const association = this.#byIndex.get(indexOf(packet))
    if (!association) return this.#drop('unknown')
    const counter = counterOf(packet, association.newest)
    if (!Number.isSafeInteger(counter)) return this.#drop('forged')
    if (!association.seen.isFresh(counter)) return this.#drop('replayed')
    const message = open(association.key, counter, packet)
    if (!message) return this.#drop('forged')
    association.seen.mark(counter)
    if (counter > association.newest) {
      association.newest = counter
      association.address = from
    }
    return this.#interpret(association, message, at)
  }

  #drop(reason: DropReason): undefined {
    this.#options.drops.count(reason)
  }

  #interpret(association: Association, message: Uint8Array, at: Instant): Arrival | undefined {
    const { connection } = association
    if (message[0] !== KIND_PROBE && message[0] !== KIND_REPLY) return { connection, message, reply: undefined }
    const { now, pulse, lead } = this.#options
    const packet = decodeProbePacket(message)
    if (!packet) return this.#drop('malformed')
    if (packet.type === 'reply' || !association.remote) return { connection, message, reply: undefined }
    const stampedAt = now()
    const answer = association.reflector.reply(lead.from(stampedAt), at, packet, pulse.ageMs(stampedAt))
    const reply = sealFor(association, encodeProbePacket(answer))
    return { connection, message, reply: reply && { ...reply, stampedAt } }
  }
}

function sealFor(association: Association, message: Uint8Array): Departure | undefined {
  const { remote, address, from } = association
  if (!remote || !address) return undefined
  return { packet: seal(remote.key, remote.index, association.counter++, message), to: address, from }
}
