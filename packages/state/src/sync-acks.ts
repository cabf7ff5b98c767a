/**
 * What a session has to acknowledge and has not yet. Acknowledgements wait for something else that leaves, or for their
 * time to come, so that they seldom cost a packet of their own.
 *
 *  1. Every point that was added is told, unless a later one of its log is.
 *  2. What gives credit back does not wait until the peer has used it up.
 */
import { type Instant, after, earliest } from '@causeway/protocol'
import type { DocumentName, LogPoint } from './batch.ts'
import { type SessionLogs, logKey } from './sync-logs.ts'
import type { Head, SyncPart, SyncPoint } from './sync-message.ts'

/** How long an acknowledgement waits for company: nobody needs it soon who has not said so, and alone it takes three packets. */
const WAIT_MS = 3_000
/** A quarter of what a peer may have on the way. */
const CREDIT_BYTES = 64 * 1024
/** After a batch whose writer waits for a hub, what hubs acknowledge is passed on at once. */
const URGENT_MS = 2_000

interface Told {
  readonly name: DocumentName
  readonly point: LogPoint
}

export class SyncAcks {
  readonly #durable = new Map<string, Told>()
  readonly #atHub = new Map<string, Told>()
  /** Batch bytes that we are done with, and as the peer knows it. */
  #processed = 0
  #told = 0
  #dueAt: Instant | undefined
  /** Somebody waits until so many bytes are dealt with; and for a hub, for a while. */
  #urgentBytes = 0
  #urgentUntil: Instant | undefined

  get processed(): number {
    return this.#processed
  }

  get dueAt(): Instant | undefined {
    return this.#dueAt
  }

  isDue(now: Instant): boolean {
    return this.#dueAt !== undefined && this.#dueAt <= now
  }

  /** On the other side somebody waits for what has come so far, `arrived` bytes in all. */
  hurry(now: Instant, arrived: number): void {
    this.#urgentBytes = arrived
    this.#urgentUntil = after(now, URGENT_MS)
  }

  /** `bytes` of batches have been dealt with: those in `heads` are durable here. */
  add(now: Instant, bytes: number, heads: readonly Head[]): void {
    const urgent = this.#processed < this.#urgentBytes
    this.#processed += bytes
    put(this.#durable, heads)
    const soon = urgent || this.#processed - this.#told >= CREDIT_BYTES
    this.#dueAt = earliest(this.#dueAt, soon ? now : after(now, WAIT_MS))
  }

  /** These are durable at a hub; the peer or somebody behind it wrote them. */
  addAtHub(now: Instant, heads: readonly Head[]): void {
    if (heads.length === 0) return
    put(this.#atHub, heads)
    const urgent = this.#urgentUntil !== undefined && now < this.#urgentUntil
    this.#dueAt = earliest(this.#dueAt, urgent ? now : after(now, WAIT_MS))
  }

  /** Takes all there is; `undefined` if there is nothing. */
  take(logs: SessionLogs): SyncPart | undefined {
    if (this.#dueAt === undefined) return undefined
    this.#dueAt = undefined
    this.#told = this.#processed
    return { type: 'ack', processed: this.#processed, durable: takePoints(this.#durable, logs), atHub: takePoints(this.#atHub, logs) }
  }
}

function put(told: Map<string, Told>, heads: readonly Head[]): void {
  for (const { points, ...name } of heads) {
    for (const point of points) {
      const key = logKey(name, point.epoch)
      const before = told.get(key)
      if (!before || before.point.seq < point.seq) told.set(key, { name, point })
    }
  }
}

function takePoints(told: Map<string, Told>, logs: SessionLogs): SyncPoint[] {
  const points = [...told.values()].map(({ name, point: { epoch, seq } }) => ({ log: logs.reference(name, epoch), seq }))
  told.clear()
  return points
}
