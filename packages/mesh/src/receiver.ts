/**
 * The receiving half of a channel: puts segments back in order, each once, and says what has arrived.
 *
 *  1. Messages are delivered in order, whole, each exactly once.
 *  2. No more than the window waits out of order or unread; what is beyond is dropped and will come again.
 *  3. Every segment that is kept or was delivered is acknowledged.
 *  4. What came over a way is acknowledged over that way, so that the sender learns of each path by itself.
 *  5. A calm channel acknowledges what came over a direct link with the data that it sends next, or after `CALM_ACK_MS`, or
 *     every `CALM_ACK_BYTES`. Nobody has to notice sooner that such a link is dead than its own probes do; an
 *     acknowledgement for each small message would cost three packets where one carries all there is to say.
 */
import { type Instant, type Limits, type NodeId, after } from '@causeway/protocol'
import { ACK_RANGES_MAX, type AckPacket, type DataPacket, type SequenceRange } from './channel-packet.ts'
import { IncomingStream } from './incoming-stream.ts'

const ACK_DELAY_MS = 5
/** Acknowledge at the latest with every n-th segment. */
const ACK_EVERY = 2
/** Long enough that something else leaves meanwhile, and takes the acknowledgement along; but not oftener than `CALM_RIDE_MS`. */
const CALM_ACK_MS = 5_000
const CALM_RIDE_MS = 2_000
const CALM_ACK_BYTES = 16 * 1024
/** After a duplicate, acknowledgements go both ways for so long: the way back may be what is broken. */
const DOUBLE_ACK_MS = 1_000
/** Ways that are remembered; a channel has no more paths. */
const WAYS_MAX = 5

export type AckFields = Omit<AckPacket, 'kind' | 'channel' | 'fromOpener'>

/** How a packet came. */
export interface Arrival {
  readonly wayBack: readonly NodeId[]
  readonly marked: boolean
}

/** The way that packets came, reversed, and what is to be said of them. */
interface Way {
  readonly route: readonly NodeId[]
  echo: number
  echoAt: Instant
  marked: boolean
  /** Something came over it that has not been acknowledged. */
  pending: boolean
}

export class Receiver {
  readonly #limits: Limits
  readonly #grow: (bytes: number) => boolean
  readonly #stream: IncomingStream
  readonly #early = new Map<number, DataPacket>()
  #earlyBytes = 0
  #unreadBytes = 0
  #windowBytes: number
  /** Delivered since the window last grew. */
  #passedBytes = 0
  #expected = 0
  #unacknowledged = 0
  #unacknowledgedBytes = 0
  #ackAt: Instant | undefined
  #ackedAt: Instant | undefined
  #doubleUntil: Instant | undefined
  /** The most recently used first. */
  #ways: Way[] = []
  ended = false
  /** Invariant 5. */
  calm = false
  bytesReceived = 0
  duplicates = 0

  /** `grow` asks the node for so many bytes more of window. */
  constructor(limits: Limits, grow: (bytes: number) => boolean) {
    this.#limits = limits
    this.#grow = grow
    this.#windowBytes = limits.channelWindowBytes
    this.#stream = new IncomingStream(limits.messageBytesMax)
  }

  /** The peer began a message that is longer than any may be. */
  get overflowed(): boolean {
    return this.#stream.overflowed
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** Takes a segment; returns the messages it completes. */
  data(now: Instant, packet: DataPacket, arrival: Arrival): Uint8Array[] {
    this.arrived(now, packet.packet, arrival)
    const duplicate = packet.sequence < this.#expected || this.#early.has(packet.sequence)
    if (duplicate) {
      this.duplicates++
      this.#doubleUntil = after(now, DOUBLE_ACK_MS)
      this.#ackAt = now
      return []
    }
    const size = bytesOf(packet)
    // Whoever keeps to the window never gets here.
    if (this.#unreadBytes + size > 2 * this.#windowBytes) return []
    if (packet.sequence > this.#expected) {
      if (this.#earlyBytes + this.#unreadBytes + size <= this.#windowBytes) {
        this.#early.set(packet.sequence, packet)
        this.#earlyBytes += size
      }
      this.#ackAt = now
      return []
    }
    const messages: Uint8Array[] = []
    this.#deliver(packet, messages)
    for (let next = this.#early.get(this.#expected); next; next = this.#early.get(this.#expected)) {
      this.#early.delete(next.sequence)
      this.#earlyBytes -= bytesOf(next)
      this.#deliver(next, messages)
    }
    this.#unacknowledgedBytes += size
    const enough = this.#isCalm(arrival) ? this.#unacknowledgedBytes >= CALM_ACK_BYTES : ++this.#unacknowledged >= ACK_EVERY
    if (enough || this.ended) this.#ackAt = now
    return messages
  }

  /** A packet came that asks for nothing but an ack, at once if `now` is given as `asked`. */
  arrived(now: Instant, packet: number, arrival: Arrival, asked?: Instant): void {
    const { wayBack, marked } = arrival
    const due = asked ?? after(now, this.#isCalm(arrival) ? CALM_ACK_MS : ACK_DELAY_MS)
    if (this.#ackAt === undefined || due < this.#ackAt) this.#ackAt = due
    const at = this.#ways.findIndex(({ route }) => sameRoute(route, wayBack))
    const way = at < 0 ? { route: wayBack, echo: packet, echoAt: now, marked: false, pending: true } : (this.#ways[at] as Way)
    way.echo = packet
    way.echoAt = now
    way.marked ||= marked
    way.pending = true
    if (at !== 0) this.#ways = [way, ...this.#ways.filter((other) => other !== way)].slice(0, WAYS_MAX)
  }

  /** Data leaves: what is to be acknowledged goes along. */
  companyLeaves(now: Instant): void {
    if (!this.calm || this.#ackAt === undefined) return
    if (this.#ackedAt === undefined || now >= after(this.#ackedAt, CALM_RIDE_MS)) this.#ackAt = now
  }

  #isCalm({ wayBack }: Arrival): boolean {
    return this.calm && wayBack.length === 1
  }

  /** So many bytes that were delivered wait for the program; they count against the window until it has read them. */
  unread(bytes: number): void {
    const before = this.#unreadBytes
    this.#unreadBytes += bytes
    // A window that was closed is open again: the peer must hear of it.
    if (bytes < 0 && before > this.#windowBytes / 2 && this.#unreadBytes <= this.#windowBytes / 2) this.#ackAt = this.#ways[0]?.echoAt
  }

  #deliver(packet: DataPacket, messages: Uint8Array[]): void {
    this.#expected++
    for (const part of packet.payload) {
      this.bytesReceived += part.length
      this.#passedBytes += part.length
      this.#stream.push(part, messages)
    }
    if (packet.endOfStream) this.ended = true
  }

  /** A window that was used up and read may be what holds the peer back. */
  #growWindow(): void {
    if (this.#passedBytes < this.#windowBytes || this.#unreadBytes + this.#earlyBytes > this.#windowBytes / 2) return
    this.#passedBytes = 0
    const more = Math.min(this.#windowBytes, this.#limits.channelWindowBytesMax - this.#windowBytes)
    if (more > 0 && this.#grow(more)) this.#windowBytes += more
  }

  /** The acks that are due, and the way that each should go. */
  takeAcks(now: Instant): { readonly ack: AckFields; readonly way: readonly NodeId[] }[] {
    if (this.#ackAt === undefined || now < this.#ackAt) return []
    this.#ackAt = undefined
    this.#ackedAt = now
    this.#unacknowledged = 0
    this.#unacknowledgedBytes = 0
    this.#growWindow()
    const doubled = this.#doubleUntil !== undefined && now < this.#doubleUntil
    const due = this.#ways.filter(({ pending }, i) => pending || (doubled && i < 2))
    const ranges = this.#ranges()
    const windowBytes = Math.max(0, this.#windowBytes - this.#earlyBytes - this.#unreadBytes)
    // A window that has opened is news without anything to acknowledge.
    return (due.length > 0 ? due : this.#ways.slice(0, 1)).map((way) => {
      const { echo, marked } = way
      const ack = { cumulative: this.#expected, echo, delayMs: now - way.echoAt, windowBytes, marked, ranges }
      way.pending = false
      way.marked = false
      return { ack, way: way.route }
    })
  }

  get ackAt(): Instant | undefined {
    return this.#ackAt
  }

  #ranges(): SequenceRange[] {
    if (this.#early.size === 0) return []
    const ranges: { first: number; end: number }[] = []
    for (const sequence of [...this.#early.keys()].toSorted((a, b) => a - b)) {
      const last = ranges.at(-1)
      if (last?.end === sequence) last.end++
      else if (ranges.length < ACK_RANGES_MAX) ranges.push({ first: sequence, end: sequence + 1 })
      else break
    }
    return ranges
  }
}

function bytesOf({ payload }: DataPacket): number {
  return payload.reduce((sum, { length }) => sum + length, 0)
}

function sameRoute(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id, i) => id === other[i])
}
