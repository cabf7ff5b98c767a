/**
 * What readers see, and from when on. What others wrote is shown as soon as it has passed the gate: whoever waits for a change of
 * a distant place waits for the way, not for the disk of each node on it. Our own is shown when it is durable, and answered for.
 *
 *  1. Nothing is shown that rests on batches of ours which are not durable: a record that we are writing waits for the disk, and
 *     all that comes with it, and whatever follows in the same logs.
 *  2. What is shown and then lost in a crash has not been acknowledged to anybody, so peers send it again.
 */
import type { Documents } from './documents.ts'
import type { Expiries } from './expiries.ts'
import type { ReplicaEffect } from './replica-contract.ts'
import type { SharedDocuments } from './shared-documents.ts'
import type { Ticket, Tickets } from './tickets.ts'

export interface ReadersParts {
  readonly documents: Documents
  readonly shared: SharedDocuments
  readonly expiries: Expiries
  readonly tickets: Tickets
}

type Showable = Pick<Ticket, 'points' | 'records'>

export class Readers {
  readonly #parts: ReadersParts

  constructor(parts: ReadersParts) {
    this.#parts = parts
  }

  /** What has passed the gate, if it may be shown already; `undefined` if it has to wait for the disk. */
  showEarly(wallMs: number, brought: Showable): ReplicaEffect[] | undefined {
    return this.#parts.tickets.delay(brought) ? undefined : this.show(wallMs, brought)
  }

  /** Shows what a ticket brings. */
  show(wallMs: number, { points, records }: Showable): ReplicaEffect[] {
    const { documents, shared, expiries } = this.#parts
    for (const { document, epoch, seq } of points) documents.becameShown(document, epoch, seq)
    const effects: ReplicaEffect[] = []
    for (const name of new Set(points.filter(({ document }) => document.isShared).map(({ document }) => document.partition)))
      effects.push(...shared.news(name))
    for (const { partition, key, merged } of records) {
      const { collection, name } = partition
      // It may have left what this node holds.
      if (documents.partition(collection, name) !== partition) continue
      const shown = partition.show(key, merged, wallMs)
      if (shown) effects.push({ type: 'change', ...shown, collection })
      if (merged) expiries.watch(partition, merged.base)
    }
    return effects
  }
}
