/**
 * Numbers for logs within one session, so that a name crosses the wire once. Each end numbers what it names first, 0, 1, 2, …,
 * and speaks of what the other named by negative numbers: -1 is the other's 0.
 *
 *  1. A number means the same log at both ends, since what is sent arrives, once and in order.
 *  2. A peer can introduce at most `LOGS_MAX` logs.
 */
import { type DocumentName, documentId } from './batch.ts'

/** Names a log: one epoch of one document. */
export interface LogName extends DocumentName {
  readonly epoch: number
}

/** How a message names a log: by number, or in full, which gives it the sender's next number. */
export type LogReference = number | LogName

/** Twice the documents that a replica holds. */
const LOGS_MAX = 400_000

export function logKey(name: DocumentName, epoch: number): string {
  return `${documentId(name)}|${epoch}`
}

export class SessionLogs {
  readonly #known = new Map<string, number>()
  readonly #introduced: LogName[] = []
  readonly #heard: LogName[] = []

  /** What to send; it must be sent, and in the order of the calls. */
  reference({ collection, partition, writer }: DocumentName, epoch: number): LogReference {
    const name = { collection, partition, writer, epoch }
    const key = logKey(name, epoch)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#known.set(key, this.#introduced.push(name) - 1)
    return name
  }

  /** What the peer means, or `undefined` if it means nothing. */
  resolve(reference: LogReference): LogName | undefined {
    if (typeof reference === 'number') return reference < 0 ? this.#introduced[-1 - reference] : this.#heard[reference]
    if (this.#heard.length >= LOGS_MAX) return undefined
    const number = this.#heard.push(reference) - 1
    const key = logKey(reference, reference.epoch)
    if (!this.#known.has(key)) this.#known.set(key, -1 - number)
    return reference
  }
}
