/** The fleet as the node behind the local API has heard of it, and its own vitals as applications tell them. */
import type { NodesView } from '@causeway/protocol'
import { wallOffset } from '../clockwork.ts'
import type { FleetBackend } from '../fleet-routes.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import { nodesView } from './fleet-views.ts'
import type { VitalsFeed } from './vitals-feed.ts'

export class NodeFleet implements FleetBackend {
  readonly #runtime: NodeRuntime
  readonly #feed: VitalsFeed

  constructor(runtime: NodeRuntime, feed: VitalsFeed) {
    this.#runtime = runtime
    this.#feed = feed
  }

  nodes(): NodesView {
    const { machine } = this.#runtime
    const now = this.#runtime.now()
    return nodesView({
      status: machine.status(now),
      links: machine.links(now),
      vitals: machine.vitals.views(now),
      verdicts: machine.verdicts(now),
      isRevoked: (node) => machine.replica.isRevoked(node),
      version: machine.vitals.version,
      wallOffsetMs: wallOffset(),
    })
  }

  tellVitals(values: unknown): void {
    this.#feed.tell(performance.now(), values)
  }
}
