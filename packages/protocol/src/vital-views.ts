/**
 * What a node tells of the fleet as it sees it: nodes with their vitals, and sites as the sum of their nodes. Public
 * shapes, like those of api.ts: names never change their meaning.
 */
import type { ListView } from './api.ts'
import type { Role } from './credential.ts'
import type { VitalValues } from './vital-schema.ts'

/** What is concluded of a node, or of a site. */
export type Verdict = 'alive' | 'suspect' | 'crashed' | 'cut-off' | 'unknown'
/** Who saw what of a node, and when. */
export interface WitnessView {
  /** A node of its site, or a hub. */
  readonly by: string
  readonly saw: string
  /** Wall clock, milliseconds since 1970. */
  readonly at: number
}

/** On what a verdict rests: the node is this one, has a live link with it, has told vitals of late; and what others saw. */
export type NodeEvidence = 'self' | 'link' | 'vitals' | WitnessView

export interface NodeView {
  readonly node: string
  readonly site: string
  readonly region: string
  readonly role: Role
  /**
   * `suspect`: silent for moments. `crashed`: its site, which is connected, has lost it. `cut-off`: it fell silent with its
   * site or with others, as links do. `unknown`: nothing is heard of it, which says nothing of whether it runs.
   */
  readonly verdict: Verdict
  /** Wall clock, milliseconds since 1970: when the verdict came to be what it is. `null`: not known. */
  readonly since: number | null
  readonly evidence: readonly NodeEvidence[]
  /** The last that was heard; `null` if nothing was. */
  readonly vitals: VitalValues | null
  /** How long ago the node said so. */
  readonly vitalsAgeMs: number | null
  /** It is a gateway of its site, by this term: of two the one with the higher term came later. Absent: not known to be one. */
  readonly gatewayTerm?: number
}

/** Over the nodes that are alive. */
export interface VitalAggregate {
  readonly mean: number
  readonly max: number
  readonly sum: number
}

export interface SiteView {
  readonly site: string
  readonly region: string
  /** `alive` while any of its nodes is; never `crashed`. */
  readonly verdict: Verdict
  readonly since: number | null
  readonly nodes: { readonly total: number; readonly alive: number }
  /** More than one while its LAN is split, the last to come first. Absent: none is known. */
  readonly gateways?: readonly string[]
  /** `null` if no node that is alive has told any. */
  readonly vitals: Readonly<Record<string, VitalAggregate>> | null
}

/** `token` changes whenever anything that is shown does. */
export type NodesView = ListView<NodeView>
export type SitesView = ListView<SiteView>

/** What has passed through the vitals of a node since its start. */
export interface VitalCounts {
  readonly bytesIn: number
  readonly bytesOut: number
  /** Told of a node what was known already, or was older than that. */
  readonly stale: number
  /** Nodes that there was no room for. */
  readonly refused: number
}
