/**
 * One direction of one lane, as TCP would carry it: whole messages, in order, each at most once. A lost segment holds
 * up all behind it for a retransmission timeout; a silent cut holds everything, tells nobody, and lets it through
 * some doubled timeouts after the heal (RFC 6298, section 5.5). Where acknowledgements cannot come back, data stops as well.
 *
 *  1. A message arrives after all that were written before it.
 *  2. At most `WINDOW_BYTES` are unacknowledged; the rest waits here, and counts towards `blocked`.
 *  3. After `abort` nothing arrives and nothing is called.
 */
import type { Timeline } from './timeline.ts'
import type { Wire } from './wire.ts'

export interface PipeListener {
  message(message: Uint8Array): void
  /** The writer has finished, and everything before has arrived. */
  end(reason: string): void
  blocked(): void
  drained(): void
}

/** What the kernel's buffers and the congestion window hold between them. */
const WINDOW_BYTES = 1024 * 1024
const FLIGHT_BYTES_MAX = 256 * 1024
const SEGMENT_BYTES = 1448
/** Each message costs some framing; also keeps empty messages from being free. */
const MESSAGE_OVERHEAD_BYTES = 20
const RTO_MS_MIN = 200
const RTO_MS_MAX = 30_000
/** Above this many segments in a flight, duplicate acknowledgements repair a loss in one round trip (RFC 5681). */
const FAST_RETRANSMIT_SEGMENTS = 4

interface Flight {
  readonly messages: readonly Uint8Array[]
  readonly bytes: number
}

export class StreamPipe {
  readonly #timeline: Timeline
  readonly #forward: Wire
  readonly #backward: Wire
  readonly #listener: PipeListener
  readonly #queueBytesMax: number
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #unackedBytes = 0
  /** Flights and acknowledgements that are lost: nothing new goes out until they have got through. */
  #stalls = 0
  #blocked = false
  #ending: string | undefined
  #endSent = false
  #aborted = false
  #arrivedUntil: number

  constructor(
    timeline: Timeline,
    forward: Wire,
    backward: Wire,
    listener: PipeListener,
    options: { queueBytesMax: number; opensAt: number },
  ) {
    this.#timeline = timeline
    this.#forward = forward
    this.#backward = backward
    this.#listener = listener
    this.#queueBytesMax = options.queueBytesMax
    this.#arrivedUntil = options.opensAt
  }

  write(messages: readonly Uint8Array[]): void {
    if (this.#aborted || this.#ending !== undefined) return
    for (const message of messages) {
      this.#queue.push(message)
      this.#queuedBytes += message.length
    }
    this.#pump()
    if (!this.#blocked && this.#queuedBytes > this.#queueBytesMax) {
      this.#blocked = true
      this.#listener.blocked()
    }
  }

  /** Ends the pipe behind what was written. */
  finish(reason: string): void {
    if (this.#aborted || this.#ending !== undefined) return
    this.#ending = reason
    this.#pump()
  }

  abort(): void {
    this.#aborted = true
    this.#queue = []
  }

  #pump(): void {
    while (this.#stalls === 0 && this.#queue.length > 0 && this.#unackedBytes < WINDOW_BYTES) {
      const flight = this.#takeFlight()
      this.#unackedBytes += flight.bytes
      this.#transmit(flight, 0, Math.ceil(flight.bytes / SEGMENT_BYTES))
    }
    if (this.#blocked && this.#queue.length === 0) {
      this.#blocked = false
      this.#listener.drained()
    }
    if (this.#ending !== undefined && this.#queue.length === 0 && this.#stalls === 0 && !this.#endSent) {
      this.#endSent = true
      this.#transmitEnd(this.#ending, 0)
    }
  }

  #takeFlight(): Flight {
    let bytes = 0
    let count = 0
    for (const message of this.#queue) {
      const size = message.length + MESSAGE_OVERHEAD_BYTES
      if (count > 0 && bytes + size > FLIGHT_BYTES_MAX) break
      bytes += size
      this.#queuedBytes -= message.length
      count++
    }
    return { messages: this.#queue.splice(0, count), bytes }
  }

  #transmit(flight: Flight, attempt: number, segments: number): void {
    if (this.#aborted) return
    if (!this.#forward.passes(segments)) {
      if (attempt === 0) this.#stalls++
      const waitMs = attempt === 0 && segments > FAST_RETRANSMIT_SEGMENTS ? this.#rttMs : this.#rtoMs(attempt)
      // Only what was lost goes again: count it as one segment.
      this.#timeline.after(waitMs, () => this.#transmit(flight, attempt + 1, 1))
      return
    }
    if (attempt > 0) this.#stalls--
    this.#arrivedUntil = Math.max(this.#arrivedUntil, this.#forward.arrival(this.#timeline.now, flight.bytes))
    this.#timeline.at(this.#arrivedUntil, () => this.#arrive(flight))
    if (attempt > 0) this.#pump()
  }

  #arrive(flight: Flight): void {
    for (const message of flight.messages) if (!this.#aborted) this.#listener.message(message)
    this.#acknowledge(flight, 0)
  }

  #acknowledge(flight: Flight, attempt: number): void {
    if (this.#aborted) return
    // Acknowledgements are cumulative: a lost one is made good by the next. Only a cut stops them all.
    if (this.#backward.isCut) {
      this.#backward.passes(1)
      if (attempt === 0) this.#stalls++
      this.#timeline.after(this.#rtoMs(attempt), () => this.#acknowledge(flight, attempt + 1))
      return
    }
    this.#timeline.after(this.#backward.typicalDelayMs, () => {
      if (this.#aborted) return
      this.#unackedBytes -= flight.bytes
      if (attempt > 0) this.#stalls--
      this.#pump()
    })
  }

  #transmitEnd(reason: string, attempt: number): void {
    if (this.#aborted) return
    if (!this.#forward.passes(1)) {
      this.#timeline.after(this.#rtoMs(attempt), () => this.#transmitEnd(reason, attempt + 1))
      return
    }
    this.#arrivedUntil = Math.max(this.#arrivedUntil, this.#forward.arrival(this.#timeline.now, 40))
    this.#timeline.at(this.#arrivedUntil, () => {
      if (this.#aborted) return
      this.#aborted = true
      this.#listener.end(reason)
    })
  }

  get #rttMs(): number {
    return this.#forward.typicalDelayMs + this.#backward.typicalDelayMs
  }

  #rtoMs(attempt: number): number {
    return Math.min(RTO_MS_MAX, Math.max(RTO_MS_MIN, 2 * this.#rttMs) * 2 ** Math.min(attempt, 20))
  }
}
