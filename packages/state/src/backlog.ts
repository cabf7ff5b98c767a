/**
 * Who else holds the batches of ours: what nobody towards the core has acknowledged yet, and since when, which is what
 * `pending` and `lagMs` of the status show, but for a hub that has never met another; and how far a write is that waits for more than this disk.
 */
import type { Instant } from '@causeway/protocol'
import type { LogPoint } from './batch.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

interface Waiting {
  /** Seq of the oldest batch that waits. */
  first: number
  /** When each of them was made. */
  since: Instant[]
}

/** Where a batch is durable besides here: at some peer, at one towards the core, at a hub. Each includes those before it. */
const LEVELS = ['peer', 'above', 'hub'] as const
export type Holder = (typeof LEVELS)[number]

export class Backlog {
  readonly #logs = new Map<string, Waiting>()
  readonly #held: Readonly<Record<Holder, Map<string, number>>> = { peer: new Map(), above: new Map(), hub: new Map() }
  #count = 0
  #version = 0
  /** This node is a hub: what is on its disk is where every write may wish to be. */
  isHub = false

  get count(): number {
    return this.#count
  }

  /** Changes with every acknowledgement that says something new. */
  get version(): number {
    return this.#version
  }

  lagMs(now: Instant): number {
    let lag = 0
    for (const { since } of this.#logs.values()) lag = Math.max(lag, now - (since[0] ?? now))
    return lag
  }

  /** Batch `seq`, the next of its log, was made at `now`. */
  add(now: Instant, document: ReplicatedDocument, { epoch, seq }: LogPoint): void {
    const key = keyOf(document, epoch)
    const waiting = this.#logs.get(key)
    if (waiting) waiting.since.push(now)
    else this.#logs.set(key, { first: seq, since: [now] })
    this.#count += 1
  }

  /** Somebody holds these points and what they rest on. */
  acknowledged(document: ReplicatedDocument, points: readonly LogPoint[], by: Holder): void {
    for (const [epoch, seq] of document.closure(points)) {
      const key = keyOf(document, epoch)
      for (const level of LEVELS.slice(0, LEVELS.indexOf(by) + 1)) {
        const held = this.#held[level]
        if ((held.get(key) ?? 0) >= seq) continue
        held.set(key, seq)
        this.#version += 1
      }
      if (by !== 'peer') this.#done(key, seq)
    }
  }

  /** Whether a batch of ours is durable at somebody else's, or at a hub. */
  reached(durability: 'local' | 'site' | 'hub', document: Pick<ReplicatedDocument, 'id'>, { epoch, seq }: LogPoint): boolean {
    if (durability === 'local' || this.isHub) return true
    return (this.#held[durability === 'site' ? 'peer' : 'hub'].get(keyOf(document, epoch)) ?? 0) >= seq
  }

  /** These logs are void: nobody is going to hold them. */
  forget(document: Pick<ReplicatedDocument, 'id'>, logs: readonly { readonly epoch: number; readonly seq: number }[]): void {
    for (const { epoch, seq } of logs) {
      const key = keyOf(document, epoch)
      this.#done(key, seq)
      for (const level of LEVELS) this.#held[level].delete(key)
    }
    this.#version += 1
  }

  #done(key: string, seq: number): void {
    const waiting = this.#logs.get(key)
    if (!waiting || waiting.first > seq) return
    const done = waiting.since.splice(0, seq - waiting.first + 1).length
    waiting.first += done
    this.#count -= done
    if (waiting.since.length === 0) this.#logs.delete(key)
  }
}

function keyOf(document: Pick<ReplicatedDocument, 'id'>, epoch: number): string {
  return `${document.id}|${epoch}`
}
