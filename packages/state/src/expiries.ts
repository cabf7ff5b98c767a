/** Which records expire when, by wall clock. Written again with another time, a record is looked at too early at worst. */
import { Deadlines, type Instant, instant } from '@causeway/protocol'
import type { Entry } from './entry.ts'
import type { Partition } from './partition.ts'

interface Expiry {
  readonly partition: Partition
  readonly key: string
}

export class Expiries {
  /** In wall time, which the table need not know. */
  readonly #deadlines = new Deadlines<string>()
  readonly #expiries = new Map<string, Expiry>()

  watch(partition: Partition, { key, expiresMs }: Entry): void {
    const id = `${partition.collection}|${partition.name}|${key}`
    if (expiresMs === undefined) {
      if (this.#expiries.delete(id)) this.#deadlines.set(id, undefined)
      return
    }
    this.#expiries.set(id, { partition, key })
    this.#deadlines.set(id, instant(expiresMs))
  }

  due(wallMs: number): Expiry[] {
    return this.#deadlines.due(instant(wallMs)).flatMap((id) => {
      const expiry = this.#expiries.get(id)
      this.#expiries.delete(id)
      return expiry ? [expiry] : []
    })
  }

  nextWake(wallOffsetMs: number): Instant | undefined {
    const next = this.#deadlines.next()
    return next === undefined ? undefined : instant(Math.max(0, next - wallOffsetMs))
  }
}
