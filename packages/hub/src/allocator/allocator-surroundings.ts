/** What the allocator needs of the hub that it is part of. */
import type { Credential, Instant, Verdict } from '@causeway/protocol'
import type { AuthorityParts } from '@causeway/node'
import type { Ledger } from './ledger.ts'
import type { LeaseEngine } from './lease-engine.ts'
import type { Placement } from './placement-desk.ts'

export interface AllocatorSurroundings extends AuthorityParts {
  readonly engine: LeaseEngine
  readonly ledger: Ledger
  readonly placement: Placement
  readonly verdict: (now: Instant, node: string) => Verdict
  /** Of a writer of records; see `Replica.credentialOf`. */
  readonly credentialOf: (collection: string, partition: string, writer: string) => Credential | undefined
  /** This hub looks after tasks; of several one does. */
  readonly leads: () => boolean
  /** That hub is there, as far as links tell. */
  readonly reaches: (hub: string) => boolean
  /** Nothing is granted before this. */
  readonly grantsFrom: Instant
}
