/**
 * One connection: two libp2p streams that carry the lanes `control` and `stream` (the latter only until it has a
 * socket of its own, see `stream-lane.ts`), and an association for datagrams. It turns what libp2p does into inputs of the machine, in an order the machine can rely on.
 *
 *  1. `connected` first, `disconnected` last, each once; nothing after `disconnected`.
 *  2. The lanes live and die together: when one ends, the connection ends.
 *  3. After `close` the connection is gone within `CLOSE_MS_MAX`, whatever the peer does or does not read.
 */
import type { Connection, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import {
  type ConnectionId,
  type DatagramKey,
  type Lane,
  type Limits,
  type NetworkInput,
  type Probe,
  type StreamKey,
  invariant,
} from '@causeway/protocol'
import type { Datagrams } from './datagrams.ts'
import type { HostPort } from './host-port.ts'
import { LaneGauge } from './lane-gauge.ts'
import { LaneWriter } from './lane-writer.ts'
import { MessageReader } from './message-framing.ts'
import { spareWindowUpdates } from './sparing-window.ts'
import { StreamLane } from './stream-lane.ts'
import type { StreamListener } from './stream-listener.ts'
import type { StreamCrypto } from './stream-socket.ts'

/** Time for the last control messages to leave, and for a lane that ended to be followed by its connection. */
const CLOSE_MS_MAX = 100

/** The lanes that are libp2p streams. */
export const STREAM_LANES = ['control', 'stream'] as const
export type StreamedLane = (typeof STREAM_LANES)[number]

export interface NetworkConnectionOptions {
  readonly id: ConnectionId
  readonly connection: Connection
  readonly streams: Readonly<Record<StreamedLane, Stream>>
  readonly peerKey: Uint8Array
  readonly address: string | undefined
  /** The IP address that was dialled, or `undefined` if the peer dialled us. */
  readonly host: string | undefined
  /** The local address that it was dialled from, if one was named. */
  readonly from: string | undefined
  readonly remote: string
  readonly datagrams: Datagrams | null
  readonly datagramKey: DatagramKey | null
  readonly streamKey: StreamKey | null
  readonly streamListener: StreamListener | null
  readonly crypto: StreamCrypto
  readonly limits: Limits
  readonly emit: (input: NetworkInput) => void
  /** Called at most once: the peer's stream port cannot be reached; the lane stays on the connection for now. */
  readonly onStreamUnreachable: (address: HostPort, reason: string) => void
  /** Called once, right after `disconnected`. */
  readonly onEnd: () => void
}

export class NetworkConnection {
  readonly #options: NetworkConnectionOptions
  readonly #control: LaneWriter
  readonly #stream: StreamLane
  #closing = false
  #ended = false

  constructor(options: NetworkConnectionOptions) {
    this.#options = options
    const gauge = this.#gaugeOf('control')
    this.#control = new LaneWriter(options.streams.control, () => gauge.report(this.#control.unsentBytes))
    this.#stream = this.#createStreamLane()
  }

  /** Reports `connected` and begins to read. */
  start(): void {
    const { id, connection, streams, peerKey, address, from, remote, datagramKey, streamKey, emit } = this.#options
    emit({
      type: 'connected',
      connection: id,
      peerKey,
      address,
      ...(from !== undefined && { from }),
      remote,
      datagram: datagramKey,
      stream: streamKey,
    })
    connection.addEventListener('close', (event: StreamCloseEvent) => this.#end(event.error?.message ?? 'the peer closed the connection'))
    for (const lane of STREAM_LANES) {
      const stream = streams[lane]
      spareWindowUpdates(stream)
      stream.addEventListener('close', () => this.#laneEnded(lane))
      stream.addEventListener('remoteCloseWrite', () => this.#laneEnded(lane))
      this.#read(lane, stream)
    }
    if (connection.status !== 'open') this.#end('the connection closed while it was being opened')
  }

  send(lane: Lane, message: Uint8Array): void {
    if (this.#ended || this.#closing) return
    if (lane === 'datagram') {
      this.#options.datagrams?.send(this.#options.id, message)
      return
    }
    invariant(message.length <= this.#bytesMax(lane), `a message of ${message.length} bytes is too long for the ${lane} lane`)
    if (lane === 'stream') this.#stream.send(message)
    else this.#control.send(message)
  }

  probe(probe: Probe): void {
    if (!this.#ended && !this.#closing) this.#options.datagrams?.sendProbe(this.#options.id, probe)
  }

  openLanes({ datagram, stream }: { readonly datagram: DatagramKey | null; readonly stream: StreamKey | null }): void {
    if (this.#ended || this.#closing) return
    if (datagram) this.#options.datagrams?.openRemote(this.#options.id, datagram)
    if (stream) this.#stream.open(stream)
  }

  /** Sends what waits on `control`, drops the rest, and is gone within `CLOSE_MS_MAX`. */
  close(reason: string): void {
    if (this.#closing || this.#ended) return
    this.#closing = true
    this.#stream.close()
    this.#control.flush()
    const signal = AbortSignal.timeout(CLOSE_MS_MAX)
    this.#options.connection.close({ signal }).catch((cause: unknown) => this.#abort(asError(cause)))
    queueMicrotask(() => this.#end(reason))
  }

  #createStreamLane(): StreamLane {
    const { streams, host, from, streamKey, streamListener, crypto, limits, onStreamUnreachable } = this.#options
    return new StreamLane({
      writer: new LaneWriter(streams.stream, () => this.#stream.report()),
      gauge: this.#gaugeOf('stream'),
      host,
      from,
      local: streamKey,
      listener: streamListener,
      crypto,
      messageBytesMax: limits.frameBytesMax,
      onMessages: (messages) => this.#received('stream', messages),
      onViolated: (reason) => this.#violated(reason),
      onUnreachable: onStreamUnreachable,
    })
  }

  #gaugeOf(lane: StreamedLane): LaneGauge {
    const { id, limits, emit } = this.#options
    return new LaneGauge(limits.laneQueueBytesMax, (type) => {
      if (!this.#ended) emit({ type, connection: id, lane })
    })
  }

  #read(lane: StreamedLane, stream: Stream): void {
    const reader = new MessageReader(this.#bytesMax(lane))
    stream.addEventListener('message', (event: StreamMessageEvent) => {
      if (this.#ended || this.#closing) return
      const messages = reader.push(event.data.subarray())
      if (!messages) {
        this.#violated(`the peer sent a message on ${lane} that is longer than ${this.#bytesMax(lane)} bytes`)
        return
      }
      if (messages.length === 0) return
      if (lane === 'stream') this.#stream.takeOver(messages)
      else this.#received(lane, messages)
    })
  }

  #received(lane: StreamedLane, messages: readonly Uint8Array[]): void {
    if (!this.#ended && !this.#closing) this.#options.emit({ type: 'received', connection: this.#options.id, lane, messages })
  }

  #bytesMax(lane: StreamedLane): number {
    return lane === 'control' ? this.#options.limits.controlMessageBytesMax : this.#options.limits.frameBytesMax
  }

  #laneEnded(lane: StreamedLane): void {
    if (this.#ended || this.#closing) return
    // Usually the connection is ending too; what it still holds on the other lane is let through first.
    setTimeout(() => {
      if (this.#ended) return
      this.#abort(new Error(`the ${lane} lane ended`))
      this.#end(`the peer ended the ${lane} lane`)
    }, CLOSE_MS_MAX).unref()
  }

  #violated(reason: string): void {
    if (this.#ended) return
    this.#abort(new Error(reason))
    this.#end(reason)
  }

  #abort(cause: Error): void {
    this.#options.connection.abort(cause)
  }

  #end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#control.close()
    this.#stream.close()
    const { id, datagrams, emit, onEnd } = this.#options
    datagrams?.forget(id)
    emit({ type: 'disconnected', connection: id, reason })
    onEnd()
  }
}

export function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
