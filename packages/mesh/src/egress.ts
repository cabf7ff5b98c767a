/**
 * What waits to go out over the `stream` lane of one link. Flows take turns (deficit round robin: Shreedhar and Varghese,
 * "Efficient fair queueing using deficit round robin", SIGCOMM 1995), a flow that has just begun before those that have a
 * backlog (RFC 8290, 4.2): so a short message never waits for somebody's bulk. A relay never stops reading; what waits too
 * long is marked, so that its source sends less, and in the end dropped, so that its source sends it another way.
 *
 *  1. Frames of one flow leave in the order in which they came.
 *  2. No more than `queueBytesMax` waits; what is too much goes from the end of the longest flow.
 *  3. Frames of this node's own channels are not dropped for their age: their source is here, and bounds them itself.
 */
import { type Instant, isFrame, markFrame } from '@causeway/protocol'
import { markNeighbourPacket } from './neighbour-packet.ts'

const MARK_MS = 20
/** Of a flow that has more waiting than `SPARSE_BYTES`, and of one that has not: that one is not what the queue is made of, and what
 *  it asks for is not sent again soon (after RFC 8289, 4.2: the last packet is not dropped). */
const DROP_MS = { backlog: 100, sparse: 1_000 } as const
const SPARSE_BYTES = 8 * 1024
/** What a flow may send in its turn: at least the largest frame. */
const QUANTUM_BYTES = 64 * 1024

interface Waiting {
  readonly frame: Uint8Array
  readonly since: Instant
  readonly own: boolean
}

class Flow {
  readonly key: number
  readonly waiting: Waiting[] = []
  /** The first that has not left. */
  first = 0
  bytes = 0
  deficit = QUANTUM_BYTES

  constructor(key: number) {
    this.key = key
  }

  get size(): number {
    return this.waiting.length - this.first
  }
}

export class Egress {
  readonly #queueBytesMax: number
  readonly #onDrop: (reason: 'queue-full' | 'too-late') => void
  readonly #flows = new Map<number, Flow>()
  /** Flows that have begun since they were last empty, and those that have had a turn. */
  #fresh: Flow[] = []
  #backlog: Flow[] = []
  #bytes = 0

  constructor(queueBytesMax: number, onDrop: (reason: 'queue-full' | 'too-late') => void) {
    this.#queueBytesMax = queueBytesMax
    this.#onDrop = onDrop
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `key` tells the flow; two that share one share their turns. */
  add(now: Instant, key: number, frame: Uint8Array, own: boolean): void {
    let flow = this.#flows.get(key)
    if (!flow) {
      flow = new Flow(key)
      this.#flows.set(key, flow)
      this.#fresh.push(flow)
    }
    flow.waiting.push({ frame, since: now, own })
    flow.bytes += frame.length
    this.#bytes += frame.length
    while (this.#bytes > this.#queueBytesMax) this.#dropFromLongest()
  }

  /** The next frame to leave. */
  take(now: Instant): Uint8Array | undefined {
    for (let flow = this.#next(); flow; flow = this.#next()) {
      const { frame, since, own } = flow.waiting[flow.first] as Waiting
      if (flow.deficit < frame.length) {
        flow.deficit += QUANTUM_BYTES
        this.#toBacklog(flow)
        continue
      }
      flow.deficit -= frame.length
      const dropMs = DROP_MS[flow.bytes > SPARSE_BYTES ? 'backlog' : 'sparse']
      this.#removeFirst(flow, frame)
      const waitedMs = now - since
      if (waitedMs > dropMs && !own) {
        this.#onDrop('too-late')
        continue
      }
      if (waitedMs > MARK_MS) (isFrame(frame) ? markFrame : markNeighbourPacket)(frame)
      return frame
    }
    return undefined
  }

  /** The link is gone: what waits is sent another way by those whose it is. */
  clear(): void {
    this.#flows.clear()
    this.#fresh = []
    this.#backlog = []
    this.#bytes = 0
  }

  #next(): Flow | undefined {
    return this.#fresh[0] ?? this.#backlog[0]
  }

  /** Its turn is over; the next one is after everybody else's. */
  #toBacklog(flow: Flow): void {
    if (this.#fresh[0] === flow) this.#fresh.shift()
    else this.#backlog.shift()
    this.#backlog.push(flow)
  }

  #removeFirst(flow: Flow, { length }: Uint8Array): void {
    flow.first++
    flow.bytes -= length
    this.#bytes -= length
    if (flow.size === 0) {
      if (this.#fresh[0] === flow) this.#fresh.shift()
      else this.#backlog.shift()
      this.#flows.delete(flow.key)
    } else if (flow.first > 256) {
      flow.waiting.splice(0, flow.first)
      flow.first = 0
    }
  }

  #dropFromLongest(): void {
    let longest: Flow | undefined
    for (const flow of this.#flows.values()) if (flow.size > 0 && (!longest || flow.bytes > longest.bytes)) longest = flow
    const last = longest?.waiting.pop()
    if (!longest || !last) return
    longest.bytes -= last.frame.length
    this.#bytes -= last.frame.length
    this.#onDrop('queue-full')
    if (longest.size > 0) return
    const emptied = longest
    this.#fresh = this.#fresh.filter((flow) => flow !== emptied)
    this.#backlog = this.#backlog.filter((flow) => flow !== emptied)
    this.#flows.delete(emptied.key)
  }
}

/** A number for the flow of a frame: those of different sources share one by chance only. */
export function flowKey(source: number, flow: number): number {
  return (source ^ Math.imul(flow + 1, 0x9e37_79b1)) >>> 0
}
