/**
 * The `stream` lane of one link as this end sees it: what waits to go out, how much may, and what has come in. It stands
 * between the frames of the mesh and the messages of the lane.
 *
 *  1. A frame that may go goes at once; the queue is only for what may not.
 *  2. What this end owes the peer in credit is told once a turn.
 */
import { DATAGRAM_BYTES_MAX, type Instant, type NodeId, after, frameFlow, isFrame } from '@causeway/protocol'
import { Egress, flowKey } from './egress.ts'
import { HopCredit, type HopMessage, HopReceipt, decodeHopMessage, encodeHopMessage, isHopMessage } from './hop-credit.ts'
import { TokenBucket } from './token-bucket.ts'

/** So much under way delays what is sent after it: some milliseconds of most lines. */
const BUSY_BYTES = 32 * 1024
/** A flow that has sent anything long stays on the lane for so long, lest what is short overtakes it. */
const BULKY_MS = 500
const BULKY_MAX = 1_024
/** Datagrams know no congestion: there are few of them, a second and at once. */
const PASSING = { perSecond: 1_000, burst: 50 } as const

export type EgressDrop = 'queue-full' | 'too-late'

export interface StreamLaneConfig {
  readonly self: NodeId
  readonly queueBytesMax: number
  readonly onDrop: (reason: EgressDrop) => void
  /** Hands a message to the lane. */
  readonly send: (message: Uint8Array) => void
}

export class StreamLane {
  readonly #config: StreamLaneConfig
  readonly #egress: Egress
  readonly #credit: HopCredit
  readonly #receipt = new HopReceipt()
  /** The driver holds too much already. */
  #blocked = false
  /** Until when a flow counts as one that sends much, by its key. */
  readonly #bulkyUntil = new Map<number, Instant>()
  readonly #passing = new TokenBucket(PASSING.perSecond, PASSING.burst)

  constructor(now: Instant, config: StreamLaneConfig) {
    this.#config = config
    this.#egress = new Egress(config.queueBytesMax, config.onDrop)
    this.#credit = new HopCredit(now)
  }

  /** The link is down: nothing that waits is to come later. */
  clear(): void {
    this.#egress.clear()
  }

  /**
   * Whether a frame had better go as a datagram: it is short, and what is under way on the lane is much, and not of its flow. What TCP
   * holds would come before it: for 200 ms where something was lost, or where BBR looks for the least round trip.
   */
  passes(now: Instant, frame: Uint8Array): boolean {
    if (!isFrame(frame)) return false
    const { source, flow } = frameFlow(frame)
    const key = flowKey(source, flow)
    if (frame.length > DATAGRAM_BYTES_MAX) {
      this.#noteBulk(now, key)
      return false
    }
    if (this.#credit.outstandingBytes <= BUSY_BYTES) return false
    const bulkyUntil = this.#bulkyUntil.get(key)
    return (bulkyUntil === undefined || now >= bulkyUntil) && this.#passing.take(now)
  }

  send(now: Instant, frame: Uint8Array): void {
    if (this.#egress.bytes === 0 && this.#open(now)) {
      this.#out(now, frame)
      return
    }
    // What is no frame is our own word to the neighbour.
    const { source, flow } = isFrame(frame) ? frameFlow(frame) : { source: this.#config.self, flow: 0 }
    this.#egress.add(now, flowKey(source, flow), frame, source === this.#config.self)
    this.#pump(now)
  }

  block(now: Instant, blocked: boolean): void {
    this.#blocked = blocked
    this.#pump(now)
  }

  /** The frames among what came together; `undefined` if something was neither a frame nor a message of ours. */
  receive(now: Instant, messages: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
    const frames: Uint8Array[] = []
    for (const message of messages) {
      if (isHopMessage(message)) {
        if (!this.#hopMessage(now, message)) return undefined
      } else {
        this.#receipt.received(message.length)
        frames.push(message)
      }
    }
    this.#tell(this.#receipt.takeCredit())
    return frames
  }

  #hopMessage(now: Instant, message: Uint8Array): boolean {
    const hop = decodeHopMessage(message)
    if (!hop) return false
    if (hop.type === 'position') this.#receipt.position(hop.bytes)
    else this.#credit.credit(now, hop.bytes)
    this.#pump(now)
    return true
  }

  /** To be called a few times a second while the link is in use. False: the lane is dead, nothing that was sent arrives. */
  wake(now: Instant): boolean {
    this.#tell(this.#credit.question(now))
    this.#pump(now)
    return !this.#credit.dead(now)
  }

  #noteBulk(now: Instant, key: number): void {
    // Set anew it is the last: the first is the one that has been quiet for longest.
    this.#bulkyUntil.delete(key)
    this.#bulkyUntil.set(key, after(now, BULKY_MS))
    const [quiet] = this.#bulkyUntil.keys()
    if (this.#bulkyUntil.size > BULKY_MAX && quiet !== undefined) this.#bulkyUntil.delete(quiet)
  }

  #open(now: Instant): boolean {
    return !this.#blocked && this.#credit.open(now)
  }

  #pump(now: Instant): void {
    while (this.#egress.bytes > 0 && this.#open(now)) {
      const frame = this.#egress.take(now)
      if (!frame) return
      this.#out(now, frame)
    }
  }

  #out(now: Instant, frame: Uint8Array): void {
    this.#credit.sent(now, frame.length)
    this.#config.send(frame)
  }

  #tell(message: HopMessage | undefined): void {
    if (message) this.#config.send(encodeHopMessage(message))
  }
}
