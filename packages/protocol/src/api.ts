/**
 * What a node tells people and programs: the shapes of the local API and of `-o json`. Names here are public and
 * never change their meaning. Units are in the names; what was not measured is `null`, never 0.
 */
import type { Role } from './credential.ts'
import type { FrameClass } from './frame.ts'
import type { RelayView } from './route-views.ts'

export type LinkState = 'probing' | 'up' | 'degraded' | 'down'
/** On what a link's state rests: replies over UDP, over the control connection, or both. */
export type Evidence = 'udp' | 'control' | 'both' | 'none'

export interface StatusView {
  readonly node: string
  readonly network: string
  readonly site: string
  readonly region: string
  readonly role: Role
  readonly version: string
  readonly uptimeSeconds: number
  /** Milliseconds since 1970. */
  readonly credentialEndsAt: number
  /** The site's gateway as this node sees it; `null` on a hub. */
  readonly gateway: string | null
  /** True while no hub can be reached from here, directly or through the gateway. */
  readonly cutOff: boolean
  readonly uplinks: readonly UplinkView[]
  /** Addresses of the config that lead to no link, and why not. */
  readonly unreached: readonly { readonly address: string; readonly reason: string }[]
  /** Number of links that are up or degraded. */
  readonly links: number
  readonly channels: number
  /** What passes through a hub; `null` on an edge node. */
  readonly relay: RelayView | null
  readonly replica: ReplicaView
  /** Why the store takes no writes for now; not there while it does. */
  readonly storeFault?: string | undefined
}

export interface UplinkView {
  readonly hub: string
  readonly state: LinkState
  readonly rttMs: number | null
  readonly lossRatio: number | null
  /** This hub holds our state session. */
  readonly home: boolean
  /** This hub wants to be left. */
  readonly draining: boolean
}

export interface ReplicaView {
  readonly documents: number
  readonly records: number
  /** Batches of ours that nobody towards the core, or at a hub no other hub, has acknowledged yet. 0 at a hub that has never met another. */
  readonly pending: number
  /** Age of the oldest pending batch; 0 if there is none. */
  readonly lagMs: number
  /** State sessions that are open, by peer name. */
  readonly sessions: readonly string[]
}

/** Forward is from this node to the peer. `null`: not measured. */
export interface BothDirections {
  readonly forward: number | null
  readonly backward: number | null
}

export interface LinkView {
  readonly from: string
  readonly to: string
  readonly state: LinkState
  readonly rttMs: {
    readonly last: number | null
    readonly smoothed: number | null
    readonly min: number | null
    readonly p50: number | null
    readonly p95: number | null
    readonly p99: number | null
  }
  readonly jitterMs: number | null
  /** Over the last 60 s. */
  readonly lossRatio: BothDirections
  /** What packets usually wait on their way, above the quickest passage of the last 20 s. */
  readonly queueMs: BothDirections
  /** Half of the least round trip plus the queue: as near as two clocks can tell that do not agree. */
  readonly oneWayMs: BothDirections & {
    /** Half of the least round trip: so far off is the estimate if all of it is spent one way. */
    readonly uncertainty: number | null
  }
  readonly costMs: number | null
  readonly epoch: number
  readonly evidence: Evidence
  readonly bytesIn: number
  readonly bytesOut: number
  /** Wall clock, milliseconds since 1970: when the link took its present state. */
  readonly since: number
  /** Why the link is in that state. */
  readonly reason: string
}

export interface PathView {
  /** Names of the nodes after this one; the last is the destination. */
  readonly hops: readonly string[]
  readonly costMs: number | null
  readonly state: 'up' | 'suspect' | 'down'
  readonly active: boolean
}

export interface PathsView {
  readonly to: string
  readonly paths: readonly PathView[]
}

export interface ChannelView {
  readonly peer: string
  readonly service: string
  readonly class: FrameClass
  readonly path: readonly string[]
  readonly bytesIn: number
  readonly bytesOut: number
  readonly resent: number
  /** Messages of class `latest` or `twin` that could not be sent in time, and of `latest` that came too late. */
  readonly dropped: number
  readonly unacknowledgedBytes: number
}

export type RecordValue = unknown

export interface RecordView {
  readonly key: string
  readonly partition: string
  readonly value: RecordValue
  readonly labels: Readonly<Record<string, string>>
  /** Opaque, for equality only. */
  readonly revision: string
  readonly writer: string
  /** Wall clock, milliseconds since 1970: the stamp of the write. */
  readonly asOf: number
  /** Wall clock, milliseconds since 1970: the record is gone from then on. Absent: it stays. */
  readonly expiresAt?: number
}

export interface ListView<Item> {
  readonly items: readonly Item[]
  /** Names the state that the list shows; resumes a watch. */
  readonly token: string
}

/** Records by partition and key. */
export interface RecordListView extends ListView<RecordView> {
  /** There are more: this asks for the next page. `token` is that of the first page on all of them. */
  readonly continue?: string
  /** Whether every interest of this node has been served. */
  readonly complete: boolean
  /** Wall clock, milliseconds since 1970: when this site was last connected; `null` if not since the node started. */
  readonly asOf: number | null
  readonly cutOff: boolean
}

export type RecordChangeType = 'ADDED' | 'MODIFIED' | 'DELETED'

export type WatchEvent =
  | { readonly type: RecordChangeType; readonly record: RecordView }
  /** The state that has been told so far. First after the initial state: `complete` tells whether every interest has been served. */
  | { readonly type: 'BOOKMARK'; readonly token: string; readonly complete: boolean }
  /** This node no longer holds the partition: its records are not deleted, but what becomes of them is not told any more. */
  | { readonly type: 'UNSYNCED'; readonly partition: string }

export interface WriteResult {
  readonly key: string
  readonly partition: string
  readonly revision: string
  readonly token: string
}

/** One change of a batch. `value`: of a patch the fields to change, `null` removes one; of a delete there is none. */
export interface BatchChange {
  readonly key: string
  readonly op: 'put' | 'create' | 'update' | 'patch' | 'delete'
  readonly value?: RecordValue
  /** `null` removes a label, in a patch. */
  readonly labels?: Readonly<Record<string, string | null>>
  /** Only if this is its revision; if one of a batch is not, none of it is done. */
  readonly revision?: string
  readonly ttlMs?: number
}

export interface BatchResult {
  readonly partition: string
  /** In the order of the changes. */
  readonly items: readonly { readonly key: string; readonly revision: string }[]
  readonly token: string
}

/** What has been seen of a record at this node, oldest first. */
export interface HistoryView {
  readonly key: string
  readonly partition: string
  readonly items: readonly {
    readonly type: RecordChangeType
    readonly record: RecordView
    /** Wall clock, milliseconds since 1970: when it was seen here. */
    readonly at: number
  }[]
  /** Wall clock, milliseconds since 1970: what was before is not known here any more. */
  readonly since: number
}

/** A shared document as this node shows it. */
export interface SharedView {
  /** For a Y.Doc that is about to be edited: its client id from before its first edit until it is thrown away. No other Y.Doc may have it. */
  readonly clientId: number
  /** All of it, as one Yjs update in base64. */
  readonly update: string
}

/** A line of a shared document that is followed: as it is, then what is made of it, by anybody. */
export type SharedNews = ({ readonly type: 'STATE' } & SharedView) | { readonly type: 'UPDATE'; readonly update: string }

/** Updates are on the disk of this node. */
export interface SharedWritten {
  /** Names what has been written. */
  readonly token: string
}

/** One line of a running ping. */
export interface PingReply {
  readonly sequence: number
  readonly rttMs: number
  /** Hops of the path the answer came back on, nearest last; the last is this node's peer reversed. */
  readonly path: readonly string[]
  /** When the far end received it, on the far end's monotonic clock. */
  readonly remoteMs: number
  /** How many the far end had received, this one included. */
  readonly remoteCount: number
  /** Wall clocks, milliseconds since 1970: when it left and came back by this node's, when it was there by the far end's. */
  readonly sentAt: number
  /** `null` if the far end does not say. */
  readonly remoteAt: number | null
  readonly arrivedAt: number
}

/** RFC 9457. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** What to do about it. */
  readonly remedy: string
  readonly code: string
}

export interface EventView {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number
  readonly name: string
  readonly data: Readonly<Record<string, string | number | boolean | null>>
}
