/**
 * What is known to be on a hub's disk: the newest point of each document. Writers below that wait for a hub are told, also
 * those that come back later. A hub does not keep it.
 */
import { type LogPoint, documentId } from './batch.ts'
import type { Head } from './sync-message.ts'

export class AtHub {
  readonly #heads = new Map<string, Head>()

  add(heads: readonly Head[]): void {
    for (const head of heads) {
      const id = documentId(head)
      const newest = [...(this.#heads.get(id)?.points ?? []), ...head.points].reduce(newer)
      this.#heads.set(id, { ...head, points: [newest] })
    }
  }

  select(wanted: (id: string) => boolean): Head[] {
    return [...this.#heads].filter(([id]) => wanted(id)).map(([, head]) => head)
  }
}

function newer(a: LogPoint, b: LogPoint): LogPoint {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq) ? a : b
}
