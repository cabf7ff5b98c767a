/** What a mesh tells its owner, and what it is configured with. */
import type { ControlRecord, NetworkEffect, NodeId, ReportEffect } from '@causeway/protocol'
import type { Peer } from './admission.ts'
import type { ChannelsEffect } from './channels.ts'
import type { DestinationsEffect } from './destinations.ts'
import type { Router } from './forwarder.ts'
import type { LinksConfig } from './links-contract.ts'

export type MeshEffect =
  | NetworkEffect
  | ReportEffect
  | Exclude<ChannelsEffect, { type: 'frame' }>
  | { readonly type: 'linkUp' | 'linkQuality'; readonly peer: Peer }
  | { readonly type: 'linkDown'; readonly peer: Peer; readonly reason: string }
  | { readonly type: 'control'; readonly peer: NodeId; readonly message: ControlRecord }
  | DestinationsEffect

export interface MeshConfig extends LinksConfig {
  /** Whose frames to carry: everybody's, or only those from and to other nodes of the site. */
  readonly relay: 'all' | 'site'
  readonly router?: Router | undefined
  /** Services of this node, at both ends of whose channels nobody waits for the other: see `receiver.ts`. */
  readonly isCalm?: (service: string) => boolean
}
