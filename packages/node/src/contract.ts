/**
 * What a node's machine takes and gives: the network, store and clock of the driver contract (see
 * `@causeway/protocol`, driver.ts), and requests of local programs. `EdgeNode` and `Hub` both implement
 * `NodeMachine`; the daemon and the simulator drive either without knowing which.
 */
import type {
  ChannelView,
  ClockInput,
  Credential,
  Crypto,
  FrameClass,
  FrameCounts,
  Instant,
  Limits,
  LinkMetrics,
  LinkView,
  Machine,
  NetworkEffect,
  NetworkInput,
  PathUseView,
  PathsView,
  PlanExplanation,
  PingReply,
  Random,
  ReportEffect,
  SignedCredential,
  StatusView,
  StoreEffect,
  StoreEntry,
  StoreInput,
  VitalValues,
  Wake,
} from '@causeway/protocol'
import type {
  ChangeEffect,
  LogPacking,
  Replica,
  ReplicaInput,
  SharedEffect,
  UnsyncedEffect,
  Vitals,
  WriteInput,
  WrittenEffect,
} from '@causeway/state'
import type { AllocatorPlace, EngineEffect, EngineInput, TaskDesk, TaskEffect, TaskInput } from './task-contract.ts'
import type { NodeVerdict } from './verdict.ts'

/** A local program asks for something; `request` is the caller's number and comes back with the answer. */
export type RequestInput =
  /** `strict`: compared and made by whoever grants; so are all to strict collections. */
  | (WriteInput & { readonly strict?: boolean })
  | Extract<ReplicaInput, { readonly type: 'writeShared' }>
  /** Sends `count` messages of `bytes` bytes, one every `intervalMs`, to the echo service of node `to`. */
  | {
      readonly type: 'ping'
      readonly request: number
      readonly to: string
      readonly count: number
      readonly intervalMs: number
      readonly bytes: number
    }
  /** The caller has gone away or has enough. */
  | { readonly type: 'cancel'; readonly request: number }
  /** All vitals of this node as they are now. To be repeated every second: a node that is silent counts as gone. */
  | { readonly type: 'vitals'; readonly values: VitalValues }
  /** A hub wants to be left by those that have another way, or is there again. Not for edge nodes. */
  | { readonly type: 'drain'; readonly draining: boolean }
  /** Stop in good order: tell peers, flush, mark the store clean. Answered by a `stopped` effect. */
  | { readonly type: 'stop' }

/** What a local program does with channels. `channel` is the node's number of one; `request` the caller's of the call. */
export type ProgramInput =
  /** Answered by `channelOpened`, at once. */
  | { readonly type: 'openChannel'; readonly request: number; readonly to: string; readonly service: string; readonly class: FrameClass }
  | { readonly type: 'serve'; readonly service: string; readonly serving: boolean }
  | { readonly type: 'channelWrite'; readonly channel: number; readonly messages: readonly Uint8Array[] }
  /** So many bytes that were delivered wait for the program now, or, if negative, no longer. */
  | { readonly type: 'channelUnread'; readonly channel: number; readonly bytes: number }
  | { readonly type: 'channelFinish'; readonly channel: number }
  | { readonly type: 'channelReset'; readonly channel: number; readonly reason: string }

export type ProgramEffect =
  /** `channel` is `null` if there can be none; `error` says why. */
  | { readonly type: 'channelOpened'; readonly request: number; readonly channel: number | null; readonly error: string | null }
  | {
      readonly type: 'channelAccepted'
      readonly channel: number
      readonly peer: string
      readonly service: string
      readonly class: FrameClass
    }
  | { readonly type: 'channelMessages'; readonly channel: number; readonly messages: readonly Uint8Array[] }
  | { readonly type: 'channelBlocked' | 'channelWritable' | 'channelFinished'; readonly channel: number }
  | { readonly type: 'channelEnded'; readonly channel: number; readonly reason: string | null }

export type ResponseEffect =
  | WrittenEffect
  | { readonly type: 'pinged'; readonly request: number; readonly reply: PingReply }
  /** The last of a ping: all were answered, or the channel ended. `error` is `null` if all is well. */
  | { readonly type: 'pingEnded'; readonly request: number; readonly error: string | null }
  | { readonly type: 'stopped' }

export type NodeInput = Wake | NetworkInput | StoreInput | ClockInput | RequestInput | ProgramInput | TaskInput | EngineInput
export type NodeEffect =
  | NetworkEffect
  | StoreEffect
  | ReportEffect
  | ChangeEffect
  | UnsyncedEffect
  | SharedEffect
  | ResponseEffect
  | ProgramEffect
  | TaskEffect
  | EngineEffect

export interface NodeConfig {
  readonly credential: SignedCredential
  readonly authorityKey: Uint8Array
  /** Addresses `host:port` of hubs to hold links with; with any, others are learned of. */
  readonly hubs: readonly string[]
  /** Of a hub of a lower tier: addresses of those above it, one of which it exchanges state with. @default none: a hub of the core */
  readonly parents?: readonly string[]
  /** Addresses of nodes of the same site. */
  readonly peers: readonly string[]
  /** Addresses at which others may dial this node. */
  readonly announce: readonly string[]
  /** Addresses at which nodes of its own site may dial it, a hub's also all that look for hubs: they learn them from hubs, and
   *  remember them. @default none */
  readonly nearby?: readonly string[]
  /** Addresses at which nodes of other sites may dial this one, to link directly. @default none */
  readonly reachable?: readonly string[]
  /** How many hubs to hold links with. */
  readonly uplinks: number
  /** Addresses of this node to dial hubs from, with so many for each. @default any */
  readonly bind?: readonly string[]
  /** Patterns over `collection/partition`, already expanded. */
  readonly interest: readonly string[]
  readonly limits: Limits
  /** Who grants tasks; the same at all nodes. @default nobody */
  readonly allocator?: AllocatorPlace
  /** Collections whose records are only written strictly; the same at all nodes. @default none */
  readonly strictCollections?: readonly string[]
  /** Vital → the least change that is told. @default those of the schema, else 0 */
  readonly vitalThresholds?: VitalValues
  readonly version: string
}

/**
 * Packs what a state session says on its channel: one for each session, so that what was said before helps with what is
 * said next. Both ends of a session have one, or neither.
 */
export interface SessionCodec {
  /** The message as it travels; in the order in which they leave. */
  pack(message: Uint8Array): Uint8Array
  /** In the order in which they came; `undefined` if the peer did not pack it, or it is longer than a message may be. */
  unpack(packed: Uint8Array): Uint8Array | undefined
  /** Nothing more will be packed or unpacked. */
  close(): void
}

/** What the driver injects. */
export interface NodeEnvironment {
  readonly crypto: Crypto
  readonly random: Random
  /** Raised with every start of the process. */
  readonly incarnation: number
  /** Wall clock minus monotonic instant, at the start. */
  readonly wallOffsetMs: number
  readonly now: Instant
  /** @default sessions are not packed */
  readonly sessionCodec?: () => SessionCodec
  /** @default logs are kept as they travel */
  readonly logPacking?: LogPacking
}

export interface NodeMachine extends Machine<NodeInput, NodeEffect>, TaskDesk {
  /** Reads are plain calls: they change nothing and cost no I/O. */
  status(now: Instant): StatusView
  /** No hub can be reached from this site. */
  cutOff(): boolean
  links(now: Instant): LinkView[]
  /** The same links, with what is counted of them. */
  linkMetrics(now: Instant): LinkMetrics[]
  /** `undefined` if no path to that node is known (the request makes the node look for one). */
  paths(now: Instant, to: string): PathsView
  /** The same, with the reason for the one in use. */
  use(now: Instant, to: string): PathUseView
  /** Why a plan from one node to another is what it is; `null` if this node plans nothing. */
  explain(from: string, to: string): PlanExplanation | null
  /** Whom this node asks for plans; `null` if nobody. */
  planHub(): string | null
  channels(now: Instant): ChannelView[]
  /** What the authority has signed about a node that has a channel or a link with this one. */
  credentialOf(node: string): Credential | undefined
  /** What passed through, and what did not, by reason. */
  frameCounts(): FrameCounts
  readonly replica: Replica
  /** What this node has heard of all others. */
  readonly vitals: Vitals
  /** What is concluded of every node that this one has heard of, in no order. */
  verdicts(now: Instant): readonly NodeVerdict[]
}

/** Makes an edge node or a hub; `stored` is everything the store holds. */
export type NodeFactory = (config: NodeConfig, environment: NodeEnvironment, stored: Iterable<StoreEntry>) => NodeMachine
