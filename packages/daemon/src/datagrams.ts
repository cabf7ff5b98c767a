/**
 * The datagram lane, as the main thread has it: a thread of its own owns the UDP socket (`datagram-worker.ts`), and
 * this class tells it what to do and passes on what it reports.
 *
 *  1. Sending never fails loudly: a datagram that cannot go is lost, as any may be.
 *  2. Nothing is reported of a connection that has been forgotten, though the thread may have said it before.
 *  3. Neither thread queues more than `BACKLOG_BYTES_MAX` for the other: what is too much is dropped and counted.
 *  4. If the thread dies, the lane is closed for good, and that is said once. It is not started again: with it went
 *     the counters, and a counter must never be used twice with one key. Probes still go over the control lane.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  CausewayError,
  type ConnectionId,
  type DatagramKey,
  KIND_PROBE,
  KIND_REPLY,
  type NetworkInput,
  type Probe,
  decodeProbePacket,
  encodeProbePacket,
  invariant,
} from '@causeway/protocol'
import { type DatagramDrops, DropCounters } from './datagram-drops.ts'
import { type Report, readReports } from './datagram-reports.ts'
import type { DatagramCommand, DatagramNews, DatagramThreadData } from './datagram-thread.ts'
import { type HostPort, formatHostPort } from './host-port.ts'
import type { Pulse } from './pulse.ts'
import { ThreadBacklog } from './thread-backlog.ts'

/** Far more than it needs: it keeps a few hundred bytes for each connection, and garbage for a moment. */
const THREAD_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 }
/** A thread that has not ended by itself by then is ended. */
const CLOSE_MS_MAX = 1_000

/** What both threads see. */
interface Shared {
  readonly drops: DropCounters
  readonly commands: ThreadBacklog
  readonly reports: ThreadBacklog
}

export interface DatagramsOptions {
  readonly listen: HostPort
  /** Of this thread: what replies to probes say about it. */
  readonly pulse: Pulse
  readonly onInput: (input: NetworkInput) => void
  /** Called at most once: the thread is dead, and the lane with it. */
  readonly onLost: (cause: Error) => void
}

export class Datagrams {
  readonly port: number
  readonly #options: DatagramsOptions
  readonly #worker: Worker
  readonly #shared: Shared
  readonly #connections = new Map<ConnectionId, DatagramKey>()
  readonly #indexes = new Set<number>()
  readonly #ended: Promise<unknown>
  #outbox: DatagramCommand[] = []
  #open = true

  private constructor(options: DatagramsOptions, worker: Worker, shared: Shared, port: number) {
    this.port = port
    this.#options = options
    this.#worker = worker
    this.#shared = shared
    worker.on('message', (news: DatagramNews) => {
      if (news instanceof ArrayBuffer) this.#read(news)
    })
    worker.on('error', (cause) => this.#lost(cause))
    this.#ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.once('exit', (code) => this.#lost(new Error(`the datagram thread ended with code ${code}`)))
  }

  /** Starts the thread and binds the socket; throws `port-in-use` or `config-invalid`. */
  static async open(options: DatagramsOptions): Promise<Datagrams> {
    const shared = { drops: new DropCounters(), commands: new ThreadBacklog(), reports: new ThreadBacklog() }
    const data: DatagramThreadData = {
      listen: options.listen,
      pulse: options.pulse.memory,
      drops: shared.drops.memory,
      commandBacklog: shared.commands.memory,
      reportBacklog: shared.reports.memory,
    }
    const worker = new Worker(new URL(`./datagram-worker${extname(import.meta.url)}`, import.meta.url), {
      name: 'datagrams',
      workerData: data,
      // What this process was started with (a program to evaluate, hooks to load) is not meant for the thread.
      execArgv: [],
      resourceLimits: THREAD_LIMITS,
    })
    const [first] = (await once(worker, 'message')) as [DatagramNews]
    invariant(!(first instanceof ArrayBuffer), 'a socket must be bound before it can receive')
    if (first.type === 'bindFailed') {
      await worker.terminate()
      throw listenError(first, options.listen)
    }
    return new Datagrams(options, worker, shared, first.port)
  }

  get dropped(): DatagramDrops {
    return this.#shared.drops.read()
  }

  /**
   * Makes the key with which the peer of `connection` may send to us; `null` if the lane is closed. `address` is where
   * it takes datagrams, or `undefined` if we have to learn that from its first one; `from`, the local address from which
   * ours leave.
   */
  associate(connection: ConnectionId, address: HostPort | undefined, from?: string): DatagramKey | null {
    if (!this.#open) return null
    let index: number
    do index = randomInt(1, 2 ** 32)
    while (this.#indexes.has(index))
    const local = { index, key: new Uint8Array(randomBytes(32)) }
    this.#indexes.add(index)
    this.#connections.set(connection, local)
    // A socket that is bound to an address of ours is of the family of both.
    const reachable = address && from === undefined ? this.#reachable(address) : address
    this.#command({ type: 'associate', connection, local, address: reachable, from })
    return local
  }

  /** From now on datagrams to the peer of `connection` are sealed with its key. */
  openRemote(connection: ConnectionId, remote: DatagramKey): void {
    if (this.#connections.has(connection) && remote.key.length === 32) {
      this.#command({ type: 'openRemote', connection, remote: { index: remote.index, key: new Uint8Array(remote.key) } })
    }
  }

  forget(connection: ConnectionId): void {
    const local = this.#connections.get(connection)
    if (!local) return
    this.#connections.delete(connection)
    this.#indexes.delete(local.index)
    this.#command({ type: 'forget', connection })
  }

  /** A message that begins like a probe packet must be one: the peer takes it as such. */
  send(connection: ConnectionId, message: Uint8Array): void {
    // A copy, because posting a view posts all of what it is a view of.
    this.#post({ type: 'send', connection, message: new Uint8Array(message) })
  }

  /** Its stamp is written as it leaves. */
  sendProbe(connection: ConnectionId, probe: Probe): void {
    this.#post({ type: 'probe', connection, message: encodeProbePacket(probe) })
  }

  /** Resolves when socket and thread are gone. */
  async close(): Promise<void> {
    this.#command({ type: 'close' })
    this.#flush()
    this.#open = false
    const deadline = setTimeout(() => void this.#worker.terminate(), CLOSE_MS_MAX)
    await this.#ended
    clearTimeout(deadline)
  }

  #post(command: Extract<DatagramCommand, { message: Uint8Array }>): void {
    if (!this.#connections.has(command.connection)) return
    if (this.#shared.commands.take(command.message.length)) this.#command(command)
    else this.#shared.drops.count('unsent')
  }

  /** What is said in one turn goes over as one message. */
  #command(command: DatagramCommand): void {
    if (!this.#open) return
    if (this.#outbox.push(command) === 1) queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    if (this.#open && this.#outbox.length > 0) this.#worker.postMessage(this.#outbox)
    this.#outbox = []
  }

  #read(buffer: ArrayBuffer): void {
    this.#shared.reports.giveBack(buffer.byteLength)
    for (const report of readReports(buffer)) {
      const input = this.#connections.has(report.connection) ? inputOf(report) : undefined
      if (input && this.#open) this.#options.onInput(input)
    }
  }

  #lost(cause: Error): void {
    if (!this.#open) return
    this.#open = false
    this.#options.onLost(cause)
  }

  /** An IPv6 socket reaches an IPv4 host by its mapped address. */
  #reachable(address: HostPort): HostPort {
    const mapped = isIP(this.#options.listen.host) === 6 && isIP(address.host) === 4
    return mapped ? { host: `::ffff:${address.host}`, port: address.port } : address
  }
}

function inputOf({ connection, at, message }: Report): NetworkInput | undefined {
  if (message[0] !== KIND_PROBE && message[0] !== KIND_REPLY) return { type: 'received', connection, lane: 'datagram', messages: [message] }
  const packet = decodeProbePacket(message)
  return packet && { type: 'probed', connection, at, packet }
}

function listenError(cause: { readonly code?: string | undefined; readonly message: string }, listen: HostPort): CausewayError {
  const address = formatHostPort(listen)
  if (cause.code === 'EADDRINUSE') {
    return new CausewayError(
      'port-in-use',
      `UDP ${address} is in use`,
      'stop the program that uses it, or set another port in listen.udp',
      { cause },
    )
  }
  return new CausewayError(
    'config-invalid',
    `cannot listen on UDP ${address}: ${cause.message}`,
    'set listen.udp to an address of this machine',
    { cause },
  )
}
