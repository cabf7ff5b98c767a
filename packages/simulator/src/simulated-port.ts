/**
 * One life of a process on the simulated network: it numbers its connections from 1, carries out the effects of a
 * turn, and delivers inputs while the process lives.
 */
import { type ConnectionId, type Instant, type Lane, type NetworkEffect, type NetworkInput, instant } from '@causeway/protocol'
import type { ConnectionEnd, StreamLane } from './simulated-connection.ts'
import type { Host, SimulatedNetwork } from './simulated-network.ts'

/** The process behind a port, as the thread of its socket sees it. */
export interface Process {
  now(): Instant
  /** How long its machine has stood still, ms. */
  ageMs(): number
  /** In world time: until then it is stopped, all threads of it. */
  frozenUntil(): number
}

export class SimulatedPort {
  readonly host: Host
  readonly #network: SimulatedNetwork
  readonly #deliver: (input: NetworkInput) => void
  readonly running: Process
  readonly #ends = new Map<ConnectionId, ConnectionEnd>()
  #lastConnection = 0
  #dead = false

  constructor(network: SimulatedNetwork, host: Host, deliver: (input: NetworkInput) => void, process?: Process) {
    this.running = process ?? { now: () => instant(network.timeline.now), ageMs: () => 0, frozenUntil: () => 0 }
    this.#network = network
    this.host = host
    this.#deliver = deliver
  }

  get dead(): boolean {
    return this.#dead
  }

  get connections(): number {
    return this.#ends.size
  }

  /** Carries out the effects of one turn, in order. What is sent on a lane within the turn leaves as one write. */
  apply(effects: readonly NetworkEffect[]): void {
    if (effects.length === 0) return
    const turn = new Map<ConnectionEnd, Map<StreamLane, Uint8Array[]>>()
    for (const effect of effects) {
      if (effect.type === 'dial') {
        this.#network.dial(this, effect.address)
        continue
      }
      const end = this.#ends.get(effect.connection)
      if (!end) continue
      if (effect.type === 'openLanes') end.openDatagrams(effect.datagram)
      else if (effect.type === 'probe') end.probe(effect.probe)
      else if (effect.type === 'send') collect(turn, end, effect.lane, effect.message)
      else {
        // Control messages of this turn still go out; the stream lane is reset, not drained.
        end.write('control', turn.get(end)?.get('control') ?? [])
        turn.delete(end)
        end.close(effect.reason)
      }
    }
    for (const [end, lanes] of turn) for (const [lane, messages] of lanes) end.write(lane, messages)
  }

  deliver(input: NetworkInput): void {
    if (!this.#dead) this.#deliver(input)
  }

  admit(end: ConnectionEnd): ConnectionId {
    const id = ++this.#lastConnection
    this.#ends.set(id, end)
    return id
  }

  forget(id: ConnectionId): void {
    this.#ends.delete(id)
  }

  die(): number {
    this.#dead = true
    const ends = [...this.#ends.values()]
    for (const end of ends) end.reset('connection reset')
    return ends.length
  }
}

function collect(turn: Map<ConnectionEnd, Map<StreamLane, Uint8Array[]>>, end: ConnectionEnd, lane: Lane, message: Uint8Array): void {
  if (lane === 'datagram') return end.sendDatagram(message)
  let lanes = turn.get(end)
  if (!lanes) turn.set(end, (lanes = new Map<StreamLane, Uint8Array[]>()))
  const messages = lanes.get(lane)
  if (messages) messages.push(message)
  else lanes.set(lane, [message])
}
