/**
 * Updates of shared documents that local programs have made, until the next flush. Each becomes a batch of its own: what is refused
 * of one must not take others with it. One that was made before is not made again: who heard no answer may repeat it.
 */
import type { SharedWriteInput, WriteOutcome } from './replica-contract.ts'
import type { OwnBatch, ReplicatedDocument } from './replicated-document.ts'
import { encodeToken } from './token.ts'
import { refused } from './write-outcome.ts'
import type { WriterCredential } from './writer-credentials.ts'

/** What has come of an update; with a batch it holds once that is durable. */
interface SharedWritten {
  readonly input: SharedWriteInput
  readonly document: ReplicatedDocument
  readonly result: OwnBatch | WriteOutcome
}

export class SharedWrites {
  #waiting: SharedWriteInput[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(input: SharedWriteInput): void {
    this.#waiting.push(input)
  }

  /** `open`: the document of a partition, and the epoch to write it under. */
  flush(
    credential: WriterCredential,
    open: (partition: string) => { readonly document: ReplicatedDocument; readonly epoch: number },
  ): SharedWritten[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting.flatMap((input) => {
      const { document, epoch } = open(input.name)
      const own = document.writeShared(epoch, credential, input.update)
      if (typeof own === 'string') return { input, document, result: refused(own, 'Give the Y.Doc the client id that it was given here.') }
      if (own || document.settled) return { input, document, result: own ?? madeBefore(document) }
      // Not durable yet: nobody may be told so.
      this.#waiting.push(input)
      return []
    })
  }
}

function madeBefore(document: ReplicatedDocument): WriteOutcome {
  const { collection, partition, writer } = document
  const points = new Map([[writer, document.frontier('durable')]])
  return { ok: true, partition, items: [], token: encodeToken({ collection, partition, points }) }
}
