/**
 * Brings the documents back from the store at the start. A log is taken up to the first batch that is damaged,
 * missing, or rests on something that is; the rest is given up and deleted, and peers bring it back.
 *
 * What is stored is read in the order of the keys, so logs come one after the other, those of a document oldest first.
 */
import type { Hasher, StoreEntry } from '@causeway/protocol'
import type { Batch } from './batch.ts'
import { batchKey, readStore } from './batch-store.ts'
import type { Documents, Sealed } from './documents.ts'
import type { Entry } from './entry.ts'
import type { Log } from './log.ts'
import type { ReplicaEffect } from './replica-contract.ts'
import type { Heard } from './silence.ts'
import { logKey } from './sync-logs.ts'

/** What lies in memory a second time while it is loaded: in larger ones more of it is old enough, when it is garbage, that V8 leaves it for long. */
const PORTION = 100

export interface Loaded {
  readonly isNew: boolean
  /** The epoch to go on with; `undefined` unless the last stop was clean and nothing is damaged. */
  readonly cleanEpoch: number | undefined
  readonly hasCleanMark: boolean
  /** Keys to delete. */
  readonly quarantined: readonly string[]
  readonly events: readonly ReplicaEffect[]
  /** Logs that a fold has replaced: to be deleted as well. */
  readonly dropped: readonly Log[]
  /** Writers that folds have taken the place of. */
  readonly sealed: readonly Sealed[]
  readonly heard: ReadonlyMap<string, Heard>
}

export function loadDocuments(crypto: Hasher, stored: Iterable<StoreEntry>, documents: Documents, seen: (entry: Entry) => void): Loaded {
  const lost = new Map<string, { count: number; readonly key: string }>()
  const quarantined: string[] = []
  const giveUp = (log: string, key: string): void => {
    quarantined.push(key)
    const loss = lost.get(log)
    if (loss) loss.count += 1
    else lost.set(log, { count: 1, key })
  }
  const logs = new LogLoader(documents, seen, (batch) => giveUp(logOf(batchKey(batch, batch)), batchKey(batch, batch)))
  const state = readStore(crypto, stored, { batch: (batch) => logs.add(batch), damaged: (key) => giveUp(logOf(key), key) })
  logs.flush()
  const dropped: Log[] = []
  const sealed = [...documents.allPartitions()].flatMap((partition) => documents.settle(partition, partition.documents.values()).sealed)
  for (const document of [...documents.all()]) dropped.push(...documents.dropReplaced(document))
  const events = [...lost.values()].map(({ key, count }): ReplicaEffect => ({
    type: 'event',
    name: 'store-quarantined',
    data: { key, count },
  }))
  const cleanEpoch = quarantined.length === 0 ? state.cleanEpoch : undefined
  return {
    isNew: state.isNew,
    cleanEpoch,
    hasCleanMark: state.cleanEpoch !== undefined,
    quarantined,
    events,
    dropped,
    sealed,
    heard: state.heard,
  }
}

/** Takes the batches of one log after the other, each in order, and loads them in portions. */
class LogLoader {
  readonly #documents: Documents
  readonly #seen: (entry: Entry) => void
  readonly #giveUp: (batch: Batch) => void
  #portion: Batch[] = []

  constructor(documents: Documents, seen: (entry: Entry) => void, giveUp: (batch: Batch) => void) {
    this.#documents = documents
    this.#seen = seen
    this.#giveUp = giveUp
  }

  add(batch: Batch): void {
    const [first] = this.#portion
    if (first && (this.#portion.length >= PORTION || logKey(first, first.epoch) !== logKey(batch, batch.epoch))) this.flush()
    this.#portion.push(batch)
  }

  flush(): void {
    const batches = this.#portion
    this.#portion = []
    const [first] = batches
    if (!first) return
    const document = this.#documents.getOrCreate(first)
    const loaded = document.load(batches, (entries) => entries.forEach(this.#seen))
    this.#documents.becameDurable(document, first.epoch, document.log(first.epoch)?.seq ?? 0)
    batches.slice(loaded).forEach(this.#giveUp)
  }
}

function logOf(key: string): string {
  return key.slice(0, key.lastIndexOf('|'))
}
