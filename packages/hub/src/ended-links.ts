/**
 * What a hub has seen of links that ended at it, as its testimony on their sites: whether a site that is silent everywhere
 * was cut off, or went some other way, shows only in how its last links ended.
 *
 *  1. A node whose link with us is up is not spoken of.
 */
import { type Ending, type Instant, SITE_NODES_MAX, type Testimony, after } from '@causeway/protocol'

const MEMORY_MS = 3_600_000

interface Ended {
  readonly how: Ending
  readonly at: Instant
}

interface Place {
  readonly name: string
  readonly site: string
  readonly region: string
}

export class EndedLinks {
  readonly #self: { readonly witness: string; readonly incarnation: number }
  readonly #sites = new Map<string, Map<string, Ended>>()
  /** Nodes that have said that they stop. */
  readonly #leaving = new Map<string, boolean>()
  #sequence = 0

  constructor(self: { readonly witness: string; readonly incarnation: number }) {
    this.#self = self
  }

  /** The node says good-bye: because it stops, or only to us. */
  saidGoodbye(node: string, stops: boolean): void {
    this.#leaving.set(node, stops)
  }

  /** The link is up. What to say now, if that is news. */
  up(now: Instant, { name, site, region }: Place): Testimony | undefined {
    this.#leaving.delete(name)
    const ended = this.#sites.get(site)
    return ended?.delete(name) ? this.#testimony(now, site, region) : undefined
  }

  down(now: Instant, { name, site, region }: Place, how: Ending): Testimony | undefined {
    const stops = this.#leaving.get(name)
    this.#leaving.delete(name)
    // It only has no use for this link any more.
    if (stops === false) return undefined
    const ended = this.#sites.get(site) ?? new Map<string, Ended>()
    ended.delete(name)
    ended.set(name, { how: stops ? 'stopped' : how, at: now })
    for (const [node, { at }] of ended) if (now >= after(at, MEMORY_MS) || ended.size > SITE_NODES_MAX) ended.delete(node)
    this.#sites.set(site, ended)
    return this.#testimony(now, site, region)
  }

  #testimony(now: Instant, site: string, region: string): Testimony {
    const seen = [...(this.#sites.get(site) ?? [])].map(([node, { how, at }]) => ({ node, state: 'lost' as const, how, forMs: now - at }))
    return { ...this.#self, sequence: ++this.#sequence, site, region, lan: false, gateway: false, term: 0, ageMs: 0, seen }
  }
}
