/**
 * What the local API needs of a node: reads, writes, watches, pings. The seam between HTTP and the machine, so that
 * routes know nothing of inputs and effects. Faults are `CausewayError`.
 */
import type {
  ChannelView,
  EventView,
  LinkView,
  PathsView,
  PingReply,
  RecordView,
  StatusView,
  TraceView,
  WatchEvent,
  WhyView,
  WriteResult,
} from '@causeway/protocol'
import type { PingRequest } from './node-runtime.ts'

/** One record; the partition is the node's own site if none is named. */
export interface RecordAddress {
  readonly collection: string
  readonly partition: string
  readonly key: string
}

export interface RecordWrite extends RecordAddress {
  /** `undefined` deletes. */
  readonly value: unknown
  readonly labels?: Readonly<Record<string, string>>
  /** Only if this is the revision that this node knows. */
  readonly revision?: string
  /** `create`: only if it is not there; `update`: only if it is. @default either */
  readonly mode?: 'create' | 'update'
}

export interface RecordQuery {
  readonly collection: string
  /** @default all that this node holds */
  readonly partition?: string
  readonly matches: (record: RecordView) => boolean
}

/** What a watch says after its initial state. */
export type RecordChange = Extract<WatchEvent, { record: RecordView }>

export interface ApiBackend {
  readonly site: string
  status(): StatusView
  links(): LinkView[]
  channels(): ChannelView[]
  paths(to: string): PathsView
  why(from: string, to: string): Promise<WhyView>
  trace(to: string): Promise<TraceView>
  /** Throws `refused` on an edge node. */
  drain(draining: boolean): StatusView
  readonly recentEvents: readonly EventView[]
  onEvent(listener: (event: EventView) => void): () => void
  get(address: RecordAddress): RecordView | undefined
  list(query: RecordQuery): { readonly items: RecordView[]; readonly token: string; readonly complete: boolean }
  /** Calls `listener` for every change from now on, until the returned function is called. */
  watch(query: RecordQuery, listener: (change: RecordChange) => void): () => void
  write(write: RecordWrite): Promise<WriteResult>
  ping(ping: PingRequest, onReply: (reply: PingReply) => void): { readonly ended: Promise<string | null>; cancel(): void }
}
