/**
 * Partitions that nobody here or below wants any more. As long as they are asked for they are kept up to date; then readers are told
 * that they are not held (which is no delete), and what others wrote there is dropped, from the disk too.
 *
 *  1. Our own documents stay.
 *  2. Nothing is dropped that somebody towards the core has not got, or that somebody below still speaks of.
 */
import { type Instant, after } from '@causeway/protocol'
import { Changes } from './changes.ts'
import type { Documents } from './documents.ts'
import type { Partition } from './partition.ts'
import type { ReplicaConfig, ReplicaEffect, Signer } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { Sync } from './sync.ts'
import type { Tickets } from './tickets.ts'

/** How soon to look again at what could not be dropped, as a part of how long it is kept. */
const RETRY_RATIO = 0.1

export interface DepartureParts {
  readonly crypto: Signer
  readonly documents: Documents
  readonly sync: Sync
  readonly tickets: Tickets
}

export class Departures {
  readonly #self: string
  readonly #keepMs: number
  readonly #parts: DepartureParts
  #lookAt: Instant
  /** Of the interest that was last looked at. */
  #interestId = 0

  constructor({ writer, limits }: ReplicaConfig, now: Instant, parts: DepartureParts) {
    this.#self = writer
    this.#keepMs = limits.interestKeepMs
    this.#parts = parts
    this.#lookAt = after(now, this.#keepMs)
  }

  nextWake(): Instant | undefined {
    return this.#lookAt
  }

  look(now: Instant, wallMs: number): ReplicaEffect[] {
    const { documents, sync } = this.#parts
    if (now < this.#lookAt && this.#interestId === sync.interest.id) return []
    // What was stored before the start is kept for a while, too: whoever wants it may come.
    if (this.#interestId === 0 && now < this.#lookAt) return []
    this.#interestId = sync.interest.id
    const unwanted = [...documents.allPartitions()].filter(({ collection, name }) => !sync.interest.has(collection, name))
    const leaving = unwanted.map((partition) => ({ partition, left: this.#othersOf(partition) })).filter(({ left }) => left.length > 0)
    const ready = leaving.filter(({ partition, left }) => isSettled(partition) && left.every((document) => sync.mayForget(document)))
    this.#lookAt = after(now, ready.length < leaving.length ? this.#keepMs * RETRY_RATIO : this.#keepMs)
    return ready.flatMap(({ partition, left }) => this.#leave(partition, left, wallMs))
  }

  #othersOf({ documents }: Partition): ReplicatedDocument[] {
    return [...documents.values()].filter(({ writer }) => writer !== this.#self)
  }

  #leave(partition: Partition, left: readonly ReplicatedDocument[], wallMs: number): ReplicaEffect[] {
    const { crypto, documents, tickets } = this.#parts
    const { collection, name } = partition
    const changes = new Changes(crypto)
    for (const document of left) {
      changes.drop(document.logs())
      documents.drop(document, document.logs())
    }
    const effects: ReplicaEffect[] = partition.reset() ? [{ type: 'unsynced', collection, partition: name }] : []
    for (const key of partition.keys()) {
      const shown = partition.show(key, partition.merged(key), wallMs)
      if (shown) effects.push({ type: 'change', ...shown, collection })
    }
    return [...effects, tickets.add(changes.entries, { written: [], ...changes.ticket() })]
  }
}

function isSettled({ documents }: Partition): boolean {
  return [...documents.values()].every(({ settled }) => settled)
}
