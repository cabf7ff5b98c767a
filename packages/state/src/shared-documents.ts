/**
 * Shared documents: an application's own Y.Doc, in the partition `documents/NAME`, written by many with the semantics of Yjs. Each
 * writer has a log of its own here too; what is shown is the union of all of them.
 *
 *  1. An update is applied when it may be shown and all that it refers to is there; until then it waits in its log, and those behind it.
 *  2. Which updates are applied depends on the set of batches that are held, not on the order in which they came.
 */
import { SharedContent, decodeShared } from './document.ts'
import type { Documents } from './documents.ts'
import type { Log } from './log.ts'
import type { SharedEffect } from './replica-contract.ts'
import { SHARED_COLLECTION } from './shared-gate.ts'

interface Shared {
  content: SharedContent
  /** Batches applied, by log. */
  applied: Map<Log, number>
  /** Batches that Yjs could not take: nothing behind them is applied. */
  readonly spoilt: Map<Log, number>
}

export class SharedDocuments {
  readonly #documents: Documents
  readonly #open = new Map<string, Shared>()
  readonly #drawClient: () => number

  constructor(documents: Documents, drawClient: () => number) {
    this.#documents = documents
    this.#drawClient = drawClient
  }

  /** A client id for a Y.Doc that is about to write to shared documents here. For one session of an application. */
  client(): number {
    return this.#drawClient()
  }

  /** All of the document, as one Yjs update. From now on `news` tells what comes, until it is closed. */
  state(name: string): Uint8Array {
    return (this.#open.get(name) ?? this.#start(name)).content.encoded()
  }

  /** Nobody wants to hear of it any more: it leaves memory, as far as it is there twice. */
  close(name: string): void {
    this.#open.delete(name)
  }

  /** What has come to a document that is open. */
  news(name: string): SharedEffect[] {
    const shared = this.#open.get(name)
    return shared ? this.#apply(name, shared).map((update) => ({ type: 'shared', name, update })) : []
  }

  #start(name: string): Shared {
    const shared = { content: new SharedContent(), applied: new Map<Log, number>(), spoilt: new Map<Log, number>() }
    this.#open.set(name, shared)
    this.#apply(name, shared)
    return shared
  }

  #apply(name: string, shared: Shared): Uint8Array[] {
    const updates: Uint8Array[] = []
    const partition = this.#documents.partition(SHARED_COLLECTION, name)
    const logs = [...(partition?.documents.values() ?? [])].flatMap((document) => document.logs())
    for (let moved = true; moved;) {
      moved = false
      for (const log of logs) {
        for (let update = this.#next(shared, log); update; update = this.#next(shared, log)) {
          if (!this.#applyOne(shared, log, update)) return this.#apply(name, shared)
          updates.push(update)
          moved = true
        }
      }
    }
    return updates
  }

  /** The next update of the log that can be applied now. */
  #next({ content, applied, spoilt }: Shared, log: Log): Uint8Array | undefined {
    const seq = (applied.get(log) ?? 0) + 1
    if (seq > log.shown || spoilt.get(log) === seq) return undefined
    const { update } = log.at(seq)
    const { runs = [], needs = [] } = decodeShared(update) ?? {}
    // An update may refer to itself.
    const known = (client: number): number =>
      runs.reduce((end, run) => (run.client === client ? Math.max(end, run.clock + run.length) : end), content.clockOf(client))
    return needs.every(({ client, clock }) => clock <= known(client)) ? update : undefined
  }

  /** False if all has to begin anew, without this update. */
  #applyOne(shared: Shared, log: Log, update: Uint8Array): boolean {
    const seq = (shared.applied.get(log) ?? 0) + 1
    if (shared.content.apply(update)) {
      shared.applied.set(log, seq)
      return true
    }
    shared.spoilt.set(log, seq)
    shared.content = new SharedContent()
    shared.applied = new Map()
    return false
  }
}
