/**
 * The datagram thread: it owns the UDP socket (and one for each local address that is dialled from), stamps, opens, seals and answers probes by itself, so that a busy
 * main thread neither delays a stamp nor lets a neighbour take us for dead. It knows no more than `SealedLane` does;
 * whatever comes out of it is decided in the main thread.
 *
 * This file is an entry of its own (`new Worker`): it imports little, because each thread loads its own copy.
 */
import type { RemoteInfo } from 'node:dgram'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Instant } from '@causeway/protocol'
import { KIND_PROBE, KIND_REPLY } from '@causeway/protocol/probe-packet'
import { DropCounters } from './datagram-drops.ts'
import { ReportWriter, reportBytes } from './datagram-reports.ts'
import { DatagramSocket } from './datagram-socket.ts'
import type { DatagramCommand, DatagramNews, DatagramThreadData } from './datagram-thread.ts'
import { DepartureLead } from './departure-lead.ts'
import { Pulse } from './pulse.ts'
import { type Departure, SealedLane } from './sealed-lane.ts'
import { ThreadBacklog } from './thread-backlog.ts'

/**
 * While packets keep coming, the main thread is told of them this often: to wake it costs more than to answer. What
 * comes by itself is told at once.
 */
const REPORT_MS = 10

class DatagramThread {
  readonly #port: MessagePort
  readonly #socket: DatagramSocket
  /** By local address: for peers that were dialled from there. */
  readonly #bound = new Map<string, DatagramSocket>()
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

  constructor(port: MessagePort, data: DatagramThreadData) {
    this.#port = port
    this.#drops = new DropCounters(data.drops)
    this.#commandBacklog = new ThreadBacklog(data.commandBacklog)
    this.#reportBacklog = new ThreadBacklog(data.reportBacklog)
    this.#lane = new SealedLane({ now, pulse: new Pulse(data.pulse), drops: this.#drops, lead: this.#lead })
    this.#socket = new DatagramSocket(data.listen, {
      onBound: (bound) => this.#tell({ type: 'bound', port: bound }),
      onMessage: (packet, from) => this.#receive(packet, from),
      onBindError: ({ code, message }) => {
        this.#tell({ type: 'bindFailed', code, message })
        port.close()
      },
    })
  }

  static start(port: MessagePort, data: DatagramThreadData): void {
    const thread = new DatagramThread(port, data)
    port.on('message', (commands: readonly DatagramCommand[]) => {
      for (const command of commands) thread.#carryOut(command)
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
    const { packet, to, from, stampedAt } = departure
    const socket = from === undefined ? this.#socket : this.#bound.get(from)
    if (!socket?.send(packet, to)) this.#drops.count('unsent')
    else if (stampedAt !== undefined) this.#lead.left(now() - stampedAt)
  }

  /** That address may go, and come back, while we run: a socket that could not be bound is tried for with the next connection. */
  #bind(from: string): void {
    if (this.#bound.has(from)) return
    const socket = new DatagramSocket(
      { host: from, port: 0 },
      {
        onBound: () => {},
        onMessage: (packet, sender) => this.#receive(packet, sender),
        onBindError: () => this.#bound.delete(from),
      },
    )
    this.#bound.set(from, socket)
  }

  #carryOut(command: DatagramCommand): void {
    switch (command.type) {
      case 'associate':
        if (command.from !== undefined) this.#bind(command.from)
        return this.#lane.associate(command.connection, command.local, command.address, command.from)
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

  /** With sockets and port gone, the thread ends by itself. */
  #close(): void {
    for (const socket of [this.#socket, ...this.#bound.values()]) socket.close()
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

if (parentPort) DatagramThread.start(parentPort, workerData as DatagramThreadData)
