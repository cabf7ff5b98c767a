/**
 * What an edge node concludes: of its own site from what it sees of the LAN, of all others what a hub has published.
 *
 *  1. Who is heard here is alive, whatever was published.
 *  2. Of those that are not heard here hubs know more, as long as they can be reached.
 *  3. Cut off, this node knows nothing of other sites; and without a neighbour it cannot tell whether the others are gone or
 *     it is.
 */
import { type NodeId, type Sighting, type WitnessView, nodeId } from '@causeway/protocol'
import type { Replica } from '@causeway/state'
import { type NodeVerdict, describeSighting, verdictOfSighting } from './verdict.ts'
import { VERDICTS, verdictIn, verdictPartition } from './verdict-record.ts'

export interface SiteSeen {
  readonly wallMs: number
  readonly cutOff: boolean
  /** No other node of the site is heard. */
  readonly alone: boolean
  readonly gateway: NodeId
  readonly term: number
  readonly seen: readonly Sighting[]
}

interface Place {
  readonly name: string
  readonly site: string
  readonly region: string
}

export class SiteVerdicts {
  readonly #self: Place

  constructor({ name, site, region }: Place) {
    this.#self = { name, site, region }
  }

  all(site: SiteSeen, replica: Pick<Replica, 'list'>): NodeVerdict[] {
    const published = replica.list(VERDICTS).flatMap((record) => verdictIn(record) ?? [])
    const here = verdictPartition(this.#self)
    const known = new Map(published.map((verdict) => [verdict.node, site.cutOff ? this.#doubted(site, verdict) : verdict]))
    for (const sighting of site.seen) {
      const before = known.get(sighting.node)
      const of = before && verdictPartition(before) === here ? before : undefined
      if (sighting.state === 'alive' || site.cutOff || !of) known.set(sighting.node, this.#own(site, sighting, of))
    }
    const { name } = this.#self
    const alive = { node: name, state: 'alive', how: null, forMs: 0 } as const
    known.set(name, { ...this.#own(site, alive, known.get(name)), evidence: [] })
    return [...known.values()]
  }

  #own(site: SiteSeen, sighting: Sighting, published: NodeVerdict | undefined): NodeVerdict {
    const { name, region } = this.#self
    const { wallMs, seen, alone, cutOff, gateway, term } = site
    const { node, state, forMs } = sighting
    const verdict = alone && cutOff && state === 'lost' ? 'unknown' : verdictOfSighting(sighting, seen)
    const at = wallMs - forMs
    const since = published?.verdict === verdict ? published.since : state === 'alive' ? null : at
    const evidence: WitnessView[] = [{ by: name, saw: describeSighting(sighting), at }]
    // Whose claim it is knows its term best; of others the highest is known, or what hubs say.
    return {
      node,
      site: this.#self.site,
      region,
      verdict,
      since,
      gatewayTerm: nodeId(node) === gateway ? (published?.gatewayTerm ?? term) : null,
      evidence,
    }
  }

  #doubted({ wallMs }: SiteSeen, published: NodeVerdict): NodeVerdict {
    const cut = { by: this.#self.name, saw: 'is itself cut off from all hubs', at: wallMs }
    return { ...published, verdict: 'unknown', gatewayTerm: null, evidence: [cut, ...published.evidence] }
  }
}
