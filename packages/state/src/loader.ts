/**
 * Brings the documents back from the store at the start. A log is taken up to the first batch that is damaged,
 * missing, or rests on something that is; the rest is given up and deleted, and peers bring it back.
 */
import type { Hasher, StoreEntry } from '@causeway/protocol'
import type { Batch } from './batch.ts'
import { batchKey, readStore } from './batch-store.ts'
import type { Documents, Sealed } from './documents.ts'
import type { Entry } from './entry.ts'
import type { Log } from './log.ts'
import type { ReplicaEffect } from './replica-contract.ts'
import type { Heard } from './silence.ts'

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
  const state = readStore(crypto, stored)
  const lost = new Map<string, { count: number; readonly key: string }>()
  const quarantined: string[] = []
  const giveUp = (log: string, key: string): void => {
    quarantined.push(key)
    const loss = lost.get(log)
    if (loss) loss.count += 1
    else lost.set(log, { count: 1, key })
  }
  for (const key of state.damaged) giveUp(logOf(key), key)
  const dropped: Log[] = []
  for (const batches of state.logs) {
    const loaded = loadLog(documents, batches, seen)
    for (const batch of batches.slice(loaded)) giveUp(logOf(batchKey(batch, batch)), batchKey(batch, batch))
  }
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

function loadLog(documents: Documents, batches: readonly Batch[], seen: (entry: Entry) => void): number {
  const first = batches[0]
  if (!first) return 0
  const document = documents.getOrCreate(first)
  const loaded = document.load(batches, (entries) => entries.forEach(seen))
  documents.becameDurable(document, first.epoch, loaded)
  return loaded
}

function logOf(key: string): string {
  return key.slice(0, key.lastIndexOf('|'))
}
