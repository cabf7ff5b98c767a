/**
 * State: records that any node may write at any time, also while cut off, and that come out the same everywhere.
 * `Replica` is the machine: writes, sessions with peers and a store go in; answers, changes and messages come out.
 *
 * @example
 * const replica = new Replica({ writer: 'hkg-1-a', interest: ['tasks/hkg-1'], write: ['tasks/hkg-1'], limits: LIMITS }, environment, [])
 * replica.handle(now, { type: 'write', request: 1, collection: 'tasks', partition: 'hkg-1', key: 'rec-42',
 *   operation: { type: 'put', value: { channel: 'c7' } } })
 * // later, when the batch is on disk: {type: 'written', request: 1, result: {ok: true, ...}}
 * replica.get('tasks', 'hkg-1', 'rec-42')
 */
export { matchesInterest } from './interest.ts'
export { type DocumentHeads, Replica } from './replica.ts'
export type {
  ChangeEffect,
  Relation,
  ReplicaConfig,
  ReplicaEffect,
  ReplicaEnvironment,
  ReplicaInput,
  SessionEffect,
  WriteInput,
  WriteOperation,
  WriteOutcome,
  WrittenEffect,
} from './replica-contract.ts'
