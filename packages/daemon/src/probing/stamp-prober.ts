/**
 * A STAMP Session-Sender (RFC 8762): one UDP socket, and so one session, per source port. Sequence 1 is left out of
 * every session: a reflector that counts does not notice, one that copies our numbers shows itself (way-loss.ts).
 *
 *  1. Times are taken directly before a packet is sent and first thing when one has come.
 *  2. What is no reply to a packet of ours is counted and otherwise ignored.
 */
import { type Socket, createSocket } from 'node:dgram'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { CausewayError, instant } from '@causeway/protocol'
import {
  type ClockClaim,
  ProbeTally,
  type ReflectorPacket,
  STAMP_BYTES,
  readReflectorPacket,
  writeSenderPacket,
} from '@causeway/probe/probe-tool'
import { DepartureLead } from '../departure-lead.ts'
import type { HostPort } from '../host-port.ts'
import { networkFault } from './network-fault.ts'
import type { ProbePlan, Prober } from './prober.ts'
import { resolveHost } from './resolve-host.ts'
import { followSchedule, waitForStragglers } from './schedule.ts'
import { WallClock } from './wall-clock.ts'

const BUFFER_BYTES = 1024 * 1024
const TTL_MAX = 255
/** What an unsynchronised clock says of itself: its stamps are good to a millisecond, its time is not. */
const RESOLUTION_MS = 1

interface Session {
  readonly socket: Socket
  readonly ssid: number
}

export class StampProber implements Prober {
  readonly tally: ProbeTally
  readonly #where: HostPort
  readonly #plan: ProbePlan
  readonly #wall = new WallClock()
  readonly #lead = new DepartureLead()
  readonly #claim: ClockClaim
  #sessions: Session[] = []
  #turn = 0
  #strange = 0

  /** Throws `usage` if the plan asks for what UDP sockets of this platform cannot do. */
  constructor(target: string, where: HostPort, plan: ProbePlan) {
    if (plan.dscp !== null) throw noDscp()
    this.#where = where
    this.#plan = plan
    this.tally = new ProbeTally({ target, timeoutMs: plan.timeoutMs, flows: plan.ports })
    this.#claim = { synchronised: plan.clockErrorMs !== null, format: 'ntp', errorMs: plan.clockErrorMs ?? RESOLUTION_MS }
  }

  /** Datagrams that came and were no reply to a packet of ours. */
  get strange(): number {
    return this.#strange
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#open()
      await followSchedule(this.#plan, signal, () => this.#send())
      await waitForStragglers(this.tally, signal)
    } finally {
      for (const { socket } of this.#sessions) socket.close()
    }
  }

  async #open(): Promise<void> {
    const { address, family } = await resolveHost(this.#where.host)
    for (let flow = 0; flow < this.#plan.ports; flow++) {
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
      const session = { socket, ssid: randomInt(1, 2 ** 16) }
      this.#sessions.push(session)
      try {
        socket.connect(this.#where.port, address)
        await once(socket, 'connect')
      } catch (cause) {
        throw new CausewayError('unreachable', `${this.tally.target}: ${networkFault(cause)}`, 'check routes and address', { cause })
      }
      socket.setTTL(TTL_MAX)
      socket.setRecvBufferSize(BUFFER_BYTES)
      socket.on('message', (message) => this.#receive(message, flow, session.ssid))
      socket.on('error', (error) => this.tally.complain(networkFault(error)))
    }
  }

  #send(): void {
    const flow = this.#turn++ % this.#sessions.length
    const session = this.#sessions[flow]
    if (!session) return
    const bytes = this.#plan.bytes ?? STAMP_BYTES
    const stampedAt = performance.now()
    const index = this.tally.packetSent(instant(stampedAt + this.#lead.ms), flow)
    const packet = { sequence: sequenceOf(index), sentAt: this.#wall.now() + this.#lead.ms, clock: this.#claim, ssid: session.ssid }
    session.socket.send(writeSenderPacket(bytes, packet), (error) => {
      if (error) this.tally.failed(index, networkFault(error), flow)
    })
    this.#lead.left(performance.now() - stampedAt)
  }

  #receive(message: Uint8Array, flow: number, ssid: number): void {
    const now = instant(performance.now())
    const arrivedAt = this.#wall.now()
    const packet = readReflectorPacket(message)
    const index = packet && indexOf(packet.sender.sequence)
    // A reflector of RFC 8762 alone leaves the session identifier zero.
    if (!packet || index === undefined || (packet.ssid !== ssid && packet.ssid !== 0)) {
      this.#strange++
      return
    }
    const { receivedAt, transmittedAt, sender } = packet
    const worth = this.tally.answered(now, {
      flow,
      index,
      residenceMs: transmittedAt - receivedAt,
      numbers: { sequence: sender.sequence, reflectorSequence: packet.sequence },
      times: { sentAt: sender.sentAt, receivedAt, transmittedAt, arrivedAt },
      uncertaintyMs: this.#uncertaintyMs(packet),
    })
    if (worth === 'unknown') this.#strange++
  }

  #uncertaintyMs({ clock }: ReflectorPacket): number | null {
    return this.#claim.synchronised && clock.synchronised ? this.#claim.errorMs + clock.errorMs : null
  }
}

/** Packet 0 travels as 0, all others one higher. */
function sequenceOf(index: number): number {
  return (index === 0 ? 0 : index + 1) >>> 0
}

function indexOf(sequence: number): number | undefined {
  if (sequence === 1) return undefined
  return sequence === 0 ? 0 : sequence - 1
}

function noDscp(): CausewayError {
  return new CausewayError(
    'usage',
    `--dscp cannot be set on UDP: Node.js ${process.version} has no call for it (it has one for TCP)`,
    'mark the packets by a firewall rule (nft: udp dport 862 ip dscp set …), or probe a tcp:// target',
  )
}
