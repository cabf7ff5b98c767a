/**
 * The receiving half of a channel: puts segments back in order, each once, and says what has arrived.
 *
 *  1. Messages are delivered in order, whole, each exactly once.
 *  2. No more than `channelWindowBytes` wait out of order; what is beyond is dropped and will come again.
 *  3. Every segment that is kept or was delivered is acknowledged.
 */
import { type Instant, type Limits, type NodeId, after } from '@causeway/protocol'
import { ACK_RANGES_MAX, type AckPacket, type DataPacket, type SequenceRange } from './channel-packet.ts'

const ACK_DELAY_MS = 5
/** Acknowledge at the latest with every n-th segment. */
const ACK_EVERY = 2
/** After a duplicate, acknowledgements go both ways for so long: the way back may be what is broken. */
const DOUBLE_ACK_MS = 1_000

export type AckFields = Omit<AckPacket, 'kind' | 'channel' | 'fromOpener'>

export class Receiver {
  readonly #limits: Limits
  readonly #early = new Map<number, DataPacket>()
  #earlyBytes = 0
  #expected = 0
  #parts: Uint8Array[] = []
  #partBytes = 0
  #unacknowledged = 0
  #echo = 0
  #echoAt: Instant | undefined
  #ackAt: Instant | undefined
  #doubleUntil: Instant | undefined
  /** Ways back, the most recently used first. */
  #ways: (readonly NodeId[])[] = []
  ended = false
  /** The peer began a message that is longer than any may be. */
  overflowed = false
  bytesReceived = 0
  duplicates = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Takes a segment that came over the reverse of `wayBack`; returns the messages it completes. */
  data(now: Instant, packet: DataPacket, wayBack: readonly NodeId[]): Uint8Array[] {
    this.arrived(now, packet.packet, wayBack)
    const duplicate = packet.sequence < this.#expected || this.#early.has(packet.sequence)
    if (duplicate) {
      this.duplicates++
      this.#doubleUntil = after(now, DOUBLE_ACK_MS)
      this.#ackAt = now
      return []
    }
    if (packet.sequence > this.#expected) {
      if (this.#earlyBytes + packet.payload.length <= this.#limits.channelWindowBytes) {
        this.#early.set(packet.sequence, packet)
        this.#earlyBytes += packet.payload.length
      }
      this.#ackAt = now
      return []
    }
    const messages: Uint8Array[] = []
    this.#deliver(packet, messages)
    for (let next = this.#early.get(this.#expected); next; next = this.#early.get(this.#expected)) {
      this.#early.delete(next.sequence)
      this.#earlyBytes -= next.payload.length
      this.#deliver(next, messages)
    }
    if (++this.#unacknowledged >= ACK_EVERY || this.ended) this.#ackAt = now
    return messages
  }

  /** A packet that asks for nothing but an ack. */
  trial(now: Instant, packet: number, wayBack: readonly NodeId[]): void {
    this.arrived(now, packet, wayBack)
    this.#ackAt = now
  }

  arrived(now: Instant, packet: number, wayBack: readonly NodeId[]): void {
    this.#echo = packet
    this.#echoAt = now
    this.#ackAt ??= after(now, ACK_DELAY_MS)
    const key = wayBack.join('>')
    if (this.#ways[0]?.join('>') !== key) this.#ways = [wayBack, ...this.#ways.filter((way) => way.join('>') !== key)].slice(0, 3)
  }

  #deliver(packet: DataPacket, messages: Uint8Array[]): void {
    this.#expected++
    this.bytesReceived += packet.payload.length
    if (packet.endOfStream) {
      this.ended = true
      return
    }
    this.#parts.push(packet.payload)
    this.#partBytes += packet.payload.length
    if (this.#partBytes > this.#limits.messageBytesMax) this.overflowed = true
    if (!packet.endOfMessage) return
    this.#partBytes = 0
    messages.push(this.#parts.length === 1 ? packet.payload : joined(this.#parts))
    this.#parts = []
  }

  /** The ack that is due, if any, and the ways it should go. */
  takeAck(now: Instant): { readonly ack: AckFields; readonly ways: readonly (readonly NodeId[])[] } | undefined {
    if (this.#ackAt === undefined || now < this.#ackAt || this.#echoAt === undefined) return undefined
    this.#ackAt = undefined
    this.#unacknowledged = 0
    const doubled = this.#doubleUntil !== undefined && now < this.#doubleUntil
    return {
      ack: {
        cumulative: this.#expected,
        echo: this.#echo,
        delayMs: now - this.#echoAt,
        windowBytes: this.#limits.channelWindowBytes - this.#earlyBytes,
        ranges: this.#ranges(),
      },
      ways: this.#ways.slice(0, doubled ? 2 : 1),
    }
  }

  get ackAt(): Instant | undefined {
    return this.#ackAt
  }

  #ranges(): SequenceRange[] {
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

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
