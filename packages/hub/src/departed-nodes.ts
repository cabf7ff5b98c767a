/**
 * Nodes that are gone for good: silent for weeks, or revoked, and retired as writers by a hub, which has taken over what is live of
 * theirs. What such a node said of itself is removed: where it can be dialled, what it offers to run, and its services.
 *
 *  1. A record is of a retired writer if that has no log of its own in the partition: its logs were dropped when it was sealed.
 *  2. Whoever returns writes it again, in a log of its own.
 */
import { type Instant, TASK_COLLECTIONS } from '@causeway/protocol'
import { MEMBERS } from '@causeway/node'
import type { Replica, WriteInput, WriteOutcome } from '@causeway/state'

/** Every node writes its own records there, in the partition of its site. */
const COLLECTIONS = [MEMBERS, TASK_COLLECTIONS.workers, 'services'] as const

export interface DepartedOptions {
  readonly replica: Pick<Replica, 'list' | 'credentialOf'>
  readonly write: (now: Instant, write: Omit<WriteInput, 'type' | 'request'>, done: (result: WriteOutcome) => void) => void
  readonly report: (name: string, data: Record<string, string>) => void
}

export class DepartedNodes {
  readonly #options: DepartedOptions
  /** Keys that are being removed. */
  readonly #removing = new Set<string>()

  constructor(options: DepartedOptions) {
    this.#options = options
  }

  /** Removes what is left of those that belonged to the site. */
  remove(now: Instant, site: string): void {
    const { replica, write, report } = this.#options
    for (const collection of COLLECTIONS) {
      const left = replica.list(collection, site).filter(({ writer, key }) => {
        return !replica.credentialOf(collection, site, writer) && !this.#removing.has(`${collection}/${site}/${key}`)
      })
      if (left.length === 0) continue
      const ids = left.map(({ key }) => `${collection}/${site}/${key}`)
      for (const id of ids) this.#removing.add(id)
      const changes = left.map(({ key }) => ({ key, operation: { type: 'delete' } as const }))
      write(now, { collection, partition: site, changes }, (result) => {
        for (const id of ids) this.#removing.delete(id)
        if (!result.ok || collection !== MEMBERS) return
        for (const { key } of left) report('node-removed', { node: key, site, reason: 'it was retired' })
      })
    }
  }
}
