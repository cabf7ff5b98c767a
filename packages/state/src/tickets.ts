/**
 * What waits for the disk: each ticket carries what may be said and shown once it is durable. The store answers in
 * the order of the tickets, so a ticket that is durable makes all earlier ones so.
 */
import type { StoreEntry } from '@causeway/protocol'
import type { LogPoint } from './batch.ts'
import type { MergedRecord } from './merged-record.ts'
import type { Partition } from './partition.ts'
import type { Relation, ReplicaEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { OwnWrite } from './own-write.ts'

/** Where received batches came from. */
interface Origin {
  readonly session: number
  readonly peer: string
  readonly relation: Relation
  /** Batch bytes of the message, refused ones included. */
  readonly bytes: number
}

export interface Ticket {
  readonly written: readonly OwnWrite[]
  /** Batches that this ticket brings; the last of a log is enough. */
  readonly points: readonly (LogPoint & { readonly document: ReplicatedDocument })[]
  /** The records that it touches, as of this ticket; `merged` is `undefined` if nothing is known of one any more. */
  readonly records: readonly { readonly partition: Partition; readonly key: string; readonly merged: MergedRecord | undefined }[]
  readonly origin?: Origin
  /** What it brings is shown already, and only kept now. */
  readonly isShown?: boolean
  /** Asked for by `flush`. */
  readonly flush?: boolean
}

export class Tickets {
  readonly #waiting: { readonly number: number; readonly ticket: Ticket }[] = []
  /** Records and documents of tickets that are not shown yet, and in how many of these each is. */
  readonly #unshown = new Map<string, number>()
  #last = 0

  /** Writes of ours wait. */
  get holdsWrites(): boolean {
    return this.#waiting.some(({ ticket }) => ticket.written.length > 0)
  }

  add(entries: readonly StoreEntry[], ticket: Ticket): ReplicaEffect {
    const number = ++this.#last
    this.#waiting.push({ number, ticket })
    this.#count(ticket, 1)
    return { type: 'persist', ticket: number, entries }
  }

  /** What a ticket is to bring must not be shown before one that waits: it is about the same records, or logs. */
  delay(brought: Pick<Ticket, 'points' | 'records'>): boolean {
    return this.#unshown.size > 0 && namesOf(brought).some((name) => this.#unshown.has(name))
  }

  /** The tickets that are durable now and were not before, oldest first. */
  persisted(number: number): Ticket[] {
    const end = this.#waiting.findIndex((waiting) => waiting.number > number)
    const durable = this.#waiting.splice(0, end === -1 ? this.#waiting.length : end).map(({ ticket }) => ticket)
    for (const ticket of durable) this.#count(ticket, -1)
    return durable
  }

  #count(ticket: Ticket, by: 1 | -1): void {
    if (ticket.isShown) return
    for (const name of namesOf(ticket)) {
      const count = (this.#unshown.get(name) ?? 0) + by
      if (count > 0) this.#unshown.set(name, count)
      else this.#unshown.delete(name)
    }
  }
}

function namesOf({ points, records }: Pick<Ticket, 'points' | 'records'>): string[] {
  return [
    ...points.map(({ document }) => document.id),
    ...records.map(({ partition: { collection, name }, key }) => `${collection}|${name}||${key}`),
  ]
}
