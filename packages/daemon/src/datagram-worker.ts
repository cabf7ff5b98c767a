/**
 * The datagram thread: it owns the one UDP socket, stamps, opens, seals and answers probes by itself, so that a busy
 * main thread neither delays a stamp nor lets a neighbour take us for dead. It knows no more than `SealedLane` does;
 * whatever comes out of it is decided in the main thread.
 *
 * This file is an entry of its own (`new Worker`): it imports little, because each thread loads its own copy.
 */
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Instant } from '@causeway/protocol'
import { KIND_PROBE, KIND_REPLY } from '@causeway/protocol/probe-packet'
import { DropCounters } from './datagram-drops.ts'
import { ReportWriter, reportBytes } from './datagram-reports.ts'
import type { DatagramCommand, DatagramNews, DatagramThreadData } from './datagram-thread.ts'
import { DepartureLead } from './departure-lead.ts'
import type { HostPort } from './host-port.ts'
import { Pulse } from './pulse.ts'
import { type Departure, SealedLane } from './sealed-lane.ts'
import { ThreadBacklog } from './thread-backlog.ts'

const SOCKET_BUFFER_BYTES = 1024 * 1024
/** Beyond what the kernel takes; more would only be late. */
const SEND_QUEUE_BYTES_MAX = 256 * 1024
/**
 * While packets keep coming, the main thread is told of them this often: to wake it costs more than to answer. What
 * comes by itself is told at once.
 */
const REPORT_MS = 10

class DatagramThread {
  readonly #port: MessagePort
  readonly #socket: Socket
  readonly #lane: SealedLane
  readonly #drops: DropCounters
  readonly #lead = new DepartureLead()
  readonly #commandBacklog: ThreadBacklog
  readonly #reportBacklog: ThreadBacklog
  readonly #reports = new ReportWriter()
  /** At the end of this turn; and by then at the latest. */
  #reporting = false
  #reportTimer: NodeJS.Timeout | undefined
  #reportedAt = 0
  /** Bytes that may be sent before we have to ask how many wait to leave. */
  #sendCredit = 0

  constructor(port: MessagePort, data: DatagramThreadData) {
    this.#port = port
    this.#drops = new DropCounters(data.drops)
    this.#commandBacklog = new ThreadBacklog(data.commandBacklog)
    this.#reportBacklog = new ThreadBacklog(data.reportBacklog)
    this.#lane = new SealedLane({ now, pulse: new Pulse(data.pulse), drops: this.#drops, lead: this.#lead })
    // Only addresses are ever sent to: the default would ask the resolver, for each packet, and a turn later.
    const family = isIP(data.listen.host) === 6 ? 6 : 4
    this.#socket = createSocket({ type: `udp${family}`, lookup: (address, _options, done) => done(null, address, family) })
  }

  run(listen: HostPort): void {
    const onBindError = ({ code, message }: NodeJS.ErrnoException): void => {
      this.#tell({ type: 'bindFailed', code, message })
      this.#close()
    }
    this.#socket.once('error', onBindError)
    this.#socket.bind({ address: listen.host, port: listen.port }, () => {
      this.#socket.off('error', onBindError)
      // For instance ICMP "port unreachable" of an earlier datagram: the lane just loses it.
      this.#socket.on('error', () => {})
      this.#socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
      this.#socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
      this.#socket.on('message', (packet, from) => this.#receive(packet, from))
      this.#tell({ type: 'bound', port: this.#socket.address().port })
    })
    this.#port.on('message', (commands: readonly DatagramCommand[]) => {
      for (const command of commands) this.#carryOut(command)
    })
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    const at = now()
    const arrival = this.#lane.receive(packet, { host: from.address, port: from.port }, at)
    if (!arrival) return
    const { connection, message, reply } = arrival
    this.#send(reply)
    if (!this.#reportBacklog.take(reportBytes(message))) return this.#drops.count('unread')
    this.#reports.add(connection, at, message)
    // Probes bear their time of arrival and may wait; a frame is on its way to somebody.
    const waitMs = isProbe(message) ? this.#reportedAt + REPORT_MS - at : 0
    if (waitMs > 0) this.#reportTimer ??= setTimeout(() => this.#report(), waitMs)
    else if (!this.#reporting) {
      this.#reporting = true
      setImmediate(() => this.#report())
    }
  }

  #report(): void {
    this.#reporting = false
    clearTimeout(this.#reportTimer)
    this.#reportTimer = undefined
    this.#reportedAt = now()
    const buffer = this.#reports.take()
    if (buffer) this.#port.postMessage(buffer satisfies DatagramNews, [buffer])
  }

  #send(departure: Departure | undefined): void {
    if (!departure) return
    if (!this.#mayLeave(departure.packet.length)) return this.#drops.count('unsent')
    try {
      this.#socket.send(departure.packet, departure.to.port, departure.to.host)
      if (departure.stampedAt !== undefined) this.#lead.left(now() - departure.stampedAt)
    } catch {
      // An address that cannot be sent to, such as port 0, which a packet may well claim to come from.
      this.#drops.count('unsent')
    }
  }

  /** The queue cannot grow by more than we send: as long as that would still fit, nobody has to look at it. */
  #mayLeave(bytes: number): boolean {
    if (this.#sendCredit < bytes) this.#sendCredit = SEND_QUEUE_BYTES_MAX - this.#socket.getSendQueueSize()
    if (this.#sendCredit < bytes) return false
    this.#sendCredit -= bytes
    return true
  }

  #carryOut(command: DatagramCommand): void {
    switch (command.type) {
      case 'associate':
        return this.#lane.associate(command.connection, command.local, command.address)
      case 'openRemote':
        return this.#lane.openRemote(command.connection, command.remote)
      case 'forget':
        return this.#lane.forget(command.connection)
      case 'send':
        this.#commandBacklog.giveBack(command.message.length)
        return this.#send(this.#lane.seal(command.connection, command.message))
      case 'probe':
        this.#commandBacklog.giveBack(command.message.length)
        return this.#send(this.#lane.sealProbe(command.connection, command.message))
      case 'close':
        return this.#close()
    }
  }

  #tell(news: DatagramNews): void {
    this.#port.postMessage(news)
  }

  /** With socket and port gone, the thread ends by itself. */
  #close(): void {
    this.#socket.close()
    this.#port.close()
  }
}

/** The main thread's clock too: Node counts from the start of the process in all its threads. */
function now(): Instant {
  return performance.now() as Instant
}

function isProbe(message: Uint8Array): boolean {
  return message[0] === KIND_PROBE || message[0] === KIND_REPLY
}

if (parentPort) {
  const data = workerData as DatagramThreadData
  new DatagramThread(parentPort, data).run(data.listen)
}
