/**
 * What a node tells of the fleet as it sees it: nodes with their vitals, and sites as the sum of their nodes. Public
 * shapes, like those of api.ts: names never change their meaning.
 */
import type { ListView } from './api.ts'
import type { Role } from './credential.ts'
import type { VitalValues } from './vital-schema.ts'

/** What is concluded of a node, or of a site. */
export type Verdict = 'alive' | 'suspect' | 'crashed' | 'cut-off' | 'unknown'
/** On what `alive` rests: the node is this one, has a live link with it, or has told vitals of late. */
export type NodeEvidence = 'self' | 'link' | 'vitals'

export interface NodeView {
  readonly node: string
  readonly site: string
  readonly region: string
  readonly role: Role
  /** `unknown`: nothing is heard of it. That says nothing of whether it runs. */
  readonly verdict: Verdict
  /** Wall clock, milliseconds since 1970: when the verdict came to be what it is. `null`: not known. */
  readonly since: number | null
  readonly evidence: readonly NodeEvidence[]
  /** The last that was heard; `null` if nothing was. */
  readonly vitals: VitalValues | null
  /** How long ago the node said so. */
  readonly vitalsAgeMs: number | null
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
  /** `alive` while any of its nodes is. */
  readonly verdict: Verdict
  readonly since: number | null
  readonly nodes: { readonly total: number; readonly alive: number }
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
