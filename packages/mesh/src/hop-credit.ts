/**
 * How much may be on its way to the next hop. A TCP socket takes megabytes before it says that it is full, and what waits
 * in it waits for seconds on a slow line; so the next hop tells how much has arrived, and no more than it can take in a
 * short while is ever under way: what `DeliveryRate` says, but at least 48 KiB.
 *
 * On the lane (high half of the first byte 2; frames have 1 there), big-endian:
 *
 *     0   u8    0x20 credit, 0x21 position
 *     1   u48   credit: bytes of frames that have arrived; position: bytes of frames that were sent before this
 *
 * A position is sent when credit is overdue: it sets the count of the receiver right, should the lane have lost something
 * when it moved to another socket, and makes it answer at once.
 */
import { type Instant, after } from '@causeway/protocol'
import { DeliveryRate, type Departure, RTT_FACTOR } from './delivery-rate.ts'

const KIND_CREDIT = 0x20
const KIND_POSITION = 0x21
const MESSAGE_BYTES = 7

const WINDOW_FLOOR_BYTES = 48 * 1024
/** Credit is given for at least so much. */
const CREDIT_EVERY_BYTES = 16 * 1024
/** After so long without credit for what is out, the receiver is asked: sooner if credit was due by itself. */
const ASK_MS = { due: 500, other: 2_000 } as const
/** So little is not worth a question: links with a change of state now and then would be asked six times a minute. */
const ASK_BYTES_MIN = 8 * 1024
/** The lane is dead if it does not answer for so long; longer than a peer may stand still. */
const DEAD_MS = 3_500
const RTT_MS_MIN = 0.05

interface Sent {
  /** Bytes sent up to and with it. */
  readonly position: number
  readonly departure: Departure
}

export interface HopMessage {
  readonly type: 'credit' | 'position'
  readonly bytes: number
}

/** Whether a message of the lane is one of these, not a frame. */
export function isHopMessage(message: Uint8Array): boolean {
  return (message[0] ?? 0) >> 4 === KIND_CREDIT >> 4
}

export function encodeHopMessage({ type, bytes }: HopMessage): Uint8Array {
  const message = new Uint8Array(MESSAGE_BYTES)
  const view = new DataView(message.buffer)
  view.setUint8(0, type === 'credit' ? KIND_CREDIT : KIND_POSITION)
  view.setUint16(1, Math.floor(bytes / 2 ** 32))
  view.setUint32(3, bytes % 2 ** 32)
  return message
}

export function decodeHopMessage(message: Uint8Array): HopMessage | undefined {
  if (message.length !== MESSAGE_BYTES || (message[0] !== KIND_CREDIT && message[0] !== KIND_POSITION)) return undefined
  const view = new DataView(message.buffer, message.byteOffset)
  return { type: message[0] === KIND_CREDIT ? 'credit' : 'position', bytes: view.getUint16(1) * 2 ** 32 + view.getUint32(3) }
}

/** The sender's account. */
export class HopCredit {
  readonly #rate = new DeliveryRate(RTT_FACTOR.hop)
  #samples: Sent[] = []
  #sent = 0
  #credited = 0
  #creditedAt: Instant
  /** When the receiver was asked first, and last, without an answer. */
  #asked: { readonly first: Instant; readonly last: Instant } | undefined

  constructor(now: Instant) {
    this.#creditedAt = now
  }

  get outstandingBytes(): number {
    return this.#sent - this.#credited
  }

  windowBytes(now: Instant): number {
    return Math.max(WINDOW_FLOOR_BYTES, this.#rate.windowBytes(now))
  }

  /** Something may go out now. */
  open(now: Instant): boolean {
    return this.outstandingBytes < WINDOW_FLOOR_BYTES || this.outstandingBytes < this.windowBytes(now)
  }

  sent(now: Instant, bytes: number): void {
    const first = this.outstandingBytes === 0
    // What nobody waited for yet is not overdue.
    if (first) this.#creditedAt = now
    this.#sent += bytes
    const last = this.#samples.at(-1)
    // A sample for each message would be more than is read.
    if (last && this.#sent - last.position < CREDIT_EVERY_BYTES / 4 && last.departure.at === now) return
    this.#samples.push({ position: this.#sent, departure: this.#rate.depart(now, first) })
  }

  /** The receiver has got so many bytes in all. What it cannot have got is not believed. */
  credit(now: Instant, bytes: number): void {
    if (bytes <= this.#credited || bytes > this.#sent) return
    let reached: Sent | undefined
    let count = 0
    for (const sample of this.#samples) {
      if (sample.position > bytes) break
      reached = sample
      count++
    }
    this.#samples.splice(0, count)
    if (reached) this.#rate.arrived(now, bytes - this.#credited, Math.max(now - reached.departure.at, RTT_MS_MIN), reached.departure)
    this.#credited = bytes
    this.#creditedAt = now
    this.#asked = undefined
  }

  /** What to say to a receiver that has given no credit for long. */
  question(now: Instant): HopMessage | undefined {
    if (this.outstandingBytes < ASK_BYTES_MIN || now < this.#askAt) return undefined
    this.#asked = { first: this.#asked?.first ?? now, last: now }
    return { type: 'position', bytes: this.#sent }
  }

  /** Nothing that is out is ever credited: the lane does not work, whatever its socket says. */
  dead(now: Instant): boolean {
    return this.#asked !== undefined && now - this.#asked.first >= DEAD_MS
  }

  get #askAt(): Instant {
    if (this.#asked) return after(this.#asked.last, ASK_MS.due)
    return after(this.#creditedAt, this.outstandingBytes >= CREDIT_EVERY_BYTES ? ASK_MS.due : ASK_MS.other)
  }
}

/** The receiver's account. */
export class HopReceipt {
  #received = 0
  #told = 0
  #asked = false

  received(bytes: number): void {
    this.#received += bytes
  }

  /** The sender says where it is: what is missing of that was lost with a socket. */
  position(bytes: number): void {
    this.#received = Math.max(this.#received, bytes)
    this.#asked = true
  }

  /** What to tell the sender, at the end of a turn. */
  takeCredit(): HopMessage | undefined {
    if (!this.#asked && this.#received - this.#told < CREDIT_EVERY_BYTES) return undefined
    this.#asked = false
    this.#told = this.#received
    return { type: 'credit', bytes: this.#received }
  }
}
