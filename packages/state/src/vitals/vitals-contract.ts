/** What a vitals plane is made with, and what is read from it. */
import type { Instant, VitalValues } from '@causeway/protocol'
import type { NodeIdentity } from './vital.ts'

export interface VitalsOptions {
  readonly self: NodeIdentity
  /** Raised with every start of the process. */
  readonly incarnation: number
  /** Field → the least change that is told; 0 tells everything. @default those of the schema, else 0 */
  readonly thresholds?: VitalValues | undefined
  /** The site of an edge node; it may speak of that one only. @default nobody is known to be an edge node */
  readonly siteOf?: (peer: string) => string | undefined
}

/** What is known of the other end of a session. */
export interface VitalsScope {
  /** Whether it wants the nodes of this partition of the collection `nodes`, which is `REGION/SITE`. @default nothing */
  readonly wants?: (partition: string) => boolean
  /** Its name. */
  readonly peer?: string
}

/** A node as it is known here. */
export interface VitalView {
  readonly identity: NodeIdentity
  readonly values: VitalValues
  readonly ageMs: number
  readonly fresh: boolean
  /** Since when it is fresh, or is not. */
  readonly since: Instant
}
