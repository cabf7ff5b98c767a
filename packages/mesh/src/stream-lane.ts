/**
 * The `stream` lane of one link as this end sees it: what waits to go out, how much may, and what has come in. It stands
 * between the frames of the mesh and the messages of the lane.
 *
 *  1. A frame that may go goes at once; the queue is only for what may not.
 *  2. What this end owes the peer in credit is told once a turn.
 */
import { type Instant, type NodeId, frameFlow, isFrame } from '@causeway/protocol'
import { Egress, flowKey } from './egress.ts'
import { HopCredit, type HopMessage, HopReceipt, decodeHopMessage, encodeHopMessage, isHopMessage } from './hop-credit.ts'

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

  constructor(now: Instant, config: StreamLaneConfig) {
    this.#config = config
    this.#egress = new Egress(config.queueBytesMax, config.onDrop)
    this.#credit = new HopCredit(now)
  }

  /** The link is down: nothing that waits is to come later. */
  clear(): void {
    this.#egress.clear()
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
