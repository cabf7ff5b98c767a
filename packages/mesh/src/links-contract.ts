/** What the links of a node tell their owner, and what they are configured with. */
import type { ControlRecord, Limits, NetworkEffect, NodeId, ReportEffect } from '@causeway/protocol'
import type { AdmissionConfig, Peer } from './admission.ts'
import type { Dialer, DialerConfig } from './dialer.ts'
import type { EgressDrop } from './stream-lane.ts'

export type LinksEffect =
  | NetworkEffect
  | ReportEffect
  | { readonly type: 'linkUp'; readonly peer: Peer }
  | { readonly type: 'linkDown'; readonly peer: Peer; readonly reason: string }
  /** A link that is up has become impaired, or is sound again. */
  | { readonly type: 'linkQuality'; readonly peer: Peer }
  /** Another process answers under this name than before. */
  | { readonly type: 'peerRestarted'; readonly peer: NodeId; readonly incarnation: number }
  | { readonly type: 'control'; readonly peer: NodeId; readonly message: ControlRecord }
  | { readonly type: 'frameArrived'; readonly peer: NodeId; readonly frame: Uint8Array }
  /** One that waited for its turn. */
  | { readonly type: 'frameDropped'; readonly reason: EgressDrop }

export interface LinksConfig extends AdmissionConfig, DialerConfig {
  readonly self: NodeId
  readonly name: string
  readonly limits: Limits
  readonly site: string
  /** @default one that dials what the config names */
  readonly dialer?: Dialer | undefined
}
