/**
 * What programs at the edges of a world see, written down for the checkers: answers to pings, acknowledgements of
 * writes, and violations that nodes report of each other.
 */
import { InvariantError } from '@causeway/protocol'
import type { SimulatedMachine, World } from './world.ts'
import type { WorldNode } from './world-node.ts'

export interface PingFlow {
  readonly from: string
  readonly to: string
  readonly count: number
  readonly startedAt: number
  readonly replies: { readonly sequence: number; readonly remoteCount: number; readonly rttMs: number; readonly at: number }[]
  /** `undefined` while it runs; then the error, or `null`. */
  ended: string | null | undefined
}

export interface WriteRecord {
  readonly node: string
  /** `collection/partition`. */
  readonly partition: string
  readonly key: string
  /** Grows with every write to the key. */
  readonly value: number
  acknowledged: boolean
}

export interface PingOrder {
  readonly from: string
  readonly to: string
  readonly count: number
  readonly intervalMs: number
  readonly bytes: number
}

export class Observations<M extends SimulatedMachine> {
  readonly pings: PingFlow[] = []
  readonly writes: WriteRecord[] = []
  readonly violations: string[] = []
  readonly #world: World<M>
  readonly #pingsByRequest = new Map<string, PingFlow>()
  readonly #writesByRequest = new Map<string, WriteRecord>()

  constructor(world: World<M>) {
    this.#world = world
    world.watch((node, effect) => {
      if (effect.type === 'violation') this.violations.push(`${node.name} accuses ${effect.peer}: ${effect.code}, ${effect.detail}`)
      else if (effect.type === 'pinged') this.#pinged(node, effect.request, effect.reply)
      else if (effect.type === 'pingEnded') this.#pingEnded(node, effect.request, effect.error)
    })
  }

  ping(order: PingOrder): PingFlow {
    const { from, to, count, intervalMs, bytes } = order
    const node = this.#world.node(from)
    const request = node.nextRequest()
    const flow: PingFlow = { from, to, count, startedAt: this.#world.now, replies: [], ended: undefined }
    if (!this.#world.request(from, { type: 'ping', request, to, count, intervalMs, bytes }))
      throw new InvariantError(`${from} is down and cannot ping`)
    this.pings.push(flow)
    this.#pingsByRequest.set(keyOf(node, request), flow)
    return flow
  }

  /** A write was asked for under this request number. */
  wrote(node: WorldNode<M>, request: number, write: Omit<WriteRecord, 'acknowledged'>): void {
    const record = { ...write, acknowledged: false }
    this.writes.push(record)
    this.#writesByRequest.set(keyOf(node, request), record)
  }

  /** The node said that the write is safe. */
  acknowledged(node: WorldNode<M>, request: number): void {
    const record = this.#writesByRequest.get(keyOf(node, request))
    if (record) record.acknowledged = true
  }

  /** The longest time without an answer in a flow, from its first answer to its last. */
  static longestGapMs(flow: PingFlow): number {
    let longest = 0
    for (const [index, reply] of flow.replies.entries()) {
      const before = flow.replies[index - 1]
      if (before) longest = Math.max(longest, reply.at - before.at)
    }
    return longest
  }

  #pinged(node: WorldNode<M>, request: number, reply: { sequence: number; remoteCount: number; rttMs: number }): void {
    const { sequence, remoteCount, rttMs } = reply
    this.#pingsByRequest.get(keyOf(node, request))?.replies.push({ sequence, remoteCount, rttMs, at: this.#world.now })
  }

  #pingEnded(node: WorldNode<M>, request: number, error: string | null): void {
    const flow = this.#pingsByRequest.get(keyOf(node, request))
    if (flow) flow.ended = error
  }
}

/** Request numbers are per node, and answers of an earlier life of its process count too. */
function keyOf(node: { readonly name: string }, request: number): string {
  return `${node.name} ${request}`
}
