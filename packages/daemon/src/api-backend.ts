/**
 * What the local API needs of a node: reads, writes, watches, pings. The seam between HTTP and the machine, so that
 * routes know nothing of inputs and effects. Faults are `CausewayError`.
 */
import type {
  BatchResult,
  ChannelView,
  DocumentsView,
  EventView,
  HistoryView,
  LinkView,
  PathsView,
  PingReply,
  RecordView,
  SharedNews,
  SharedView,
  SharedWritten,
  StatusView,
  TraceView,
  WatchEvent,
  WhyView,
} from '@causeway/protocol'
import type { Durability, OpenWatch, PageQuery, RecordPage, WatchQuery, WriteChange } from '@causeway/state'
import type { FleetBackend } from './fleet-routes.ts'
import type { ForwardingBackend } from './forwarding/forwarding.ts'
import type { PingRequest } from './node-runtime.ts'
import type { TaskBackend } from './tasks/task-backend.ts'

/** One record; the partition is the node's own site if none is named. */
export interface RecordAddress {
  readonly collection: string
  readonly partition: string
  readonly key: string
}

/** All changes or none. */
export interface RecordsWrite {
  readonly collection: string
  readonly partition: string
  readonly changes: readonly WriteChange[]
  readonly durability: Durability
  /** Everywhere at once, or not at all: what only an allocator can grant. */
  readonly strict: boolean
}

/** How far what is read here can be behind. */
export interface Freshness {
  /** Wall clock, milliseconds since 1970: when the site was last seen connected; `null` if not since the start. */
  readonly asOf: number | null
  readonly cutOff: boolean
}

export interface RecordBackend {
  readonly site: string
  freshness(): Freshness
  /** Every interest has been served. */
  complete(): boolean
  get(address: RecordAddress): RecordView | undefined
  page(query: PageQuery): RecordPage
  history(address: RecordAddress): HistoryView
  /** Resolves when what the token names can be read here; throws `timeout` if that takes more than 2 s. */
  settle(token: string): Promise<void>
  /** Throws `usage`, or `gone` for a `since` of which too little is known here. */
  watch(query: WatchQuery, listener: (event: WatchEvent) => void): OpenWatch
  write(write: RecordsWrite): Promise<BatchResult>
}

/** Documents of applications, which hold them as a Y.Doc. */
export interface SharedBackend {
  view(name: string): SharedView
  /** Calls `listener` from now on, until `close` is called. */
  follow(name: string, listener: (news: SharedNews) => void): { readonly initial: SharedNews; readonly close: () => void }
  /** Resolves when all are on the disk. Throws why one is not; those before it are, and it does no harm to repeat them. */
  write(name: string, updates: readonly Uint8Array[]): Promise<SharedWritten>
}

export interface ApiBackend {
  readonly records: RecordBackend
  readonly shared: SharedBackend
  readonly fleet: FleetBackend
  readonly tasks: TaskBackend
  readonly forwarding: ForwardingBackend
  status(): StatusView
  links(): LinkView[]
  channels(): ChannelView[]
  documents(): DocumentsView
  paths(to: string): PathsView
  why(from: string, to: string): Promise<WhyView>
  trace(to: string): Promise<TraceView>
  /** Throws `refused` on an edge node. */
  drain(draining: boolean): StatusView
  readonly recentEvents: readonly EventView[]
  onEvent(listener: (event: EventView) => void): () => void
  ping(ping: PingRequest, onReply: (reply: PingReply) => void): { readonly ended: Promise<string | null>; cancel(): void }
}
