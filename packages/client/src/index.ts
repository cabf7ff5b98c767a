/**
 * Typed client of a node's local API: what an application imports to use the sidecar beside it.
 *
 * @example
 * const causeway = await connect()                       // ./causeway.sock, or CAUSEWAY_API
 * const tasks = causeway.collection<Task>('tasks')
 * await tasks.put('rec-42', { channel: 'c7' }, { partition: 'hkg-1' })
 * for await (const event of tasks.watch({ selector: 'kind=record', signal })) console.log(event.type)
 */
export { type ApiAddress, DEFAULT_SOCKET, describeAddress, parseApiAddress } from './api-address.ts'
export type { ChannelStream, Datagrams, DatagramsOptions } from './channel.ts'
export type {
  Collection,
  CollectionOptions,
  DeleteOptions,
  ListOptions,
  PatchOf,
  PatchOptions,
  ReadOptions,
  TypedList,
  TypedRecord,
  TypedWatchEvent,
  ViolatingRecord,
  WatchOptions,
  WriteOptions,
} from './collection.ts'
export { type Causeway, type ConnectOptions, connect, type EventsOptions, type PingOptions, type StreamOptions } from './connect.ts'
export type { Forwards } from './forwards.ts'
export type { SharedDocument, SharedEvent, SharedState } from './shared.ts'
export type { Attachment, AttachOptions, EditedDoc, YjsFunctions } from './shared-attachment.ts'
export { describeIssue, type SchemaIssue, SchemaViolation, type StandardSchema } from './standard-schema.ts'
export { type TaskContext, type TaskHandler, TaskInterruption, type TypedTask } from './task-run.ts'
export type { TaskFilter, TaskListOptions, TaskMove, Tasks, TaskUpdate, TaskWatchOptions } from './tasks.ts'
export type { RelistedEvent, WatchStreamOptions } from './watch-stream.ts'
export type { WorkOptions } from './worker.ts'
