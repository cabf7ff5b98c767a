/**
 * Records that any node may write, also while cut off, and that come out the same everywhere: `Replica`; `Collections` without a daemon.
 * @example
 * const replica = new Replica(config, { random, crypto, now, wallOffsetMs }, stored)
 * const drive = (input) => collections.take(now(), replica.handle(now(), input)).forEach(carryOut) // 'persist', 'sessionSend', …
 * const collections = new Collections({ replica, submit: drive, random, now: now(), wallOffsetMs })
 * collections.watch({ collection: 'tasks', selector: 'kind=record' }, (event) => print(event.type))
 * collections.put({ collection: 'tasks', partition: 'hkg-1', key: 'rec-42' }, { channel: 'c7' }, (outcome) => print(outcome.ok), { labels: { kind: 'record' } })
 * // when a ticket is on disk: drive({type: 'persisted', ticket}); when nextWake() has come: drive(WAKE), collections.wake(now())
 */
export { Collections, type CollectionsParts, type RecordPlace, type SharedDocument, type WriteConditions } from './collections.ts'
export { canMatch, isPartition, matchesInterest } from './interest.ts'
export type { JournalLimits } from './journal.ts'
export type { PageQuery, RecordPage } from './record-page.ts'
export { type DocumentHeads, Replica } from './replica.ts'
export type {
  ChangeEffect,
  Durability,
  LogPacking,
  Relation,
  ReplicaConfig,
  ReplicaEffect,
  ReplicaEnvironment,
  ReplicaInput,
  SharedEffect,
  UnsyncedEffect,
  WriteChange,
  WriteInput,
  WriteOperation,
  WriteOutcome,
  WrittenEffect,
} from './replica-contract.ts'
export { type StoreAudit, type StoredDocument, auditStore } from './store-audit.ts'
export { type Selector, type SelectorTerm, parseSelector, selectorTerms } from './selector.ts'
export { joinTokens } from './token.ts'
export { SILENCE_MS, Vitals } from './vitals/vitals.ts'
export type { VitalView, VitalsOptions, VitalsScope } from './vitals/vitals-contract.ts'
export { type OpenWatch, type WatchedReplica, Watches, type WatchQuery } from './watches.ts'
export { writeFault } from './write-check.ts'
export { CLEAN_KEY } from './batch-store.ts'
