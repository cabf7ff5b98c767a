/**
 * A hundred messages a second over one ordered channel, and what the far end made of them. It stamps and counts each
 * arrival itself, so gaps, losses and order are those of the way there, whatever happens to the echoes.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Causeway } from '@causeway/client'
import type { PingReply } from '@causeway/protocol'

const INTERVAL_MS = 10
const BYTES = 200
/** What was just before a fault: so many messages. */
const BEFORE = 50

export interface FlowFigures {
  readonly sent: number
  readonly lost: number
  /** Messages that the far end, or we, have had twice. */
  readonly duplicated: number
  /** Messages that arrived in another place than they were sent in, at the far end or back here. */
  readonly misplaced: number
  /** Longest time without an arrival at the far end around the fault. */
  readonly gapMs: number
  /** Median round trip before the fault. */
  readonly rttMs: number
  /** Longest round trip of all: what a message and its echo waited at most. */
  readonly rttMsMax: number
}

export class SteadyFlow {
  readonly #sent: number
  readonly #replies: PingReply[] = []
  readonly #ended: Promise<void>
  #faultAt = 0

  constructor(from: Causeway, to: string, seconds: number) {
    this.#sent = Math.round((seconds * 1000) / INTERVAL_MS)
    this.#ended = this.#run(from, to)
    // Asked for later, by `figures`.
    this.#ended.catch(() => undefined)
  }

  async #run(from: Causeway, to: string): Promise<void> {
    for await (const reply of from.ping(to, { count: this.#sent, intervalMs: INTERVAL_MS, bytes: BYTES })) this.#replies.push(reply)
  }

  /** Waits until `count` messages have been answered. */
  async answered(count: number): Promise<void> {
    while (this.#replies.length < Math.min(count, this.#sent)) await Promise.race([pause(INTERVAL_MS), this.#ended])
  }

  /** What was answered so far was before the fault. */
  faultComes(): void {
    this.#faultAt = this.#replies.length
  }

  /** When all have been answered, or the flow has failed. */
  async figures(): Promise<FlowFigures> {
    await this.#ended
    const replies = this.#replies
    const distinct = new Set(replies.map(({ sequence }) => sequence)).size
    const counted = Math.max(0, ...replies.map(({ remoteCount }) => remoteCount))
    const before = replies.slice(Math.max(0, this.#faultAt - BEFORE), this.#faultAt).map(({ rttMs }) => rttMs)
    return {
      sent: this.#sent,
      lost: this.#sent - distinct,
      duplicated: replies.length - distinct + Math.max(0, counted - this.#sent),
      // The n-th message must be the n-th at the far end, and its echo the n-th here.
      misplaced: replies.filter(({ sequence, remoteCount }, index) => remoteCount !== sequence + 1 || sequence !== index).length,
      gapMs: longestGap(replies.slice(Math.max(0, this.#faultAt - BEFORE)).map(({ remoteMs }) => remoteMs)),
      rttMs: before.toSorted((a, b) => a - b)[Math.floor(before.length / 2)] ?? Number.NaN,
      rttMsMax: Math.max(...replies.map(({ rttMs }) => rttMs)),
    }
  }
}

function longestGap(arrivals: readonly number[]): number {
  const sorted = arrivals.toSorted((a, b) => a - b)
  return sorted.reduce((longest, at, index) => Math.max(longest, at - (sorted[index - 1] ?? at)), 0)
}
