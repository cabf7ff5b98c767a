/**
 * Which nodes to try for a service, the best first. A node that is named needs no looking up. Those of a site are known from
 * records if this node holds them, as it does of its own site; else it asks the one it asks for plans, and remembers the answer: what
 * is remembered is used at once and asked for anew behind that, so a hub that is away delays nobody.
 *
 *  1. Best first: not failed of late; this node itself; the cheapest path; among equals by the hash of the pair, so that not
 *     everybody takes the same.
 *  2. However many look for a site at a time, it is asked for once.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { CausewayError, nodeId } from '@causeway/protocol'
import { type Destination, type ServiceProtocol, formatDestination } from './destination.ts'
import type { Offer } from './offers.ts'

/** An answer younger than this is not asked for again. */
const FRESH_MS = 10_000
/** That somebody offers nothing is believed no longer than this; nor anything by whom it has just misled. */
const DOUBTED_MS = 1_000
/** A node that failed is tried last for so long. */
const SHUNNED_MS = 10_000
/** Costs within this are equal. */
const EQUAL_MS = 5
/** How long to wait for the first plan if there is a choice. */
const COST_TRIES = 6
const COST_TRY_MS = 50
/** bound: sites and nodes that are remembered. */
const REMEMBERED_MAX = 4_096

/** What the directory needs to know. */
export interface Surroundings {
  readonly self: string
  /** What the records here say of a site; `undefined` if this node does not hold them. */
  offersHere(site: string): readonly Offer[] | undefined
  /** Asks whoever knows. */
  askOffers(site: string): Promise<readonly Offer[]>
  /** Of the best path that is not down; `null` if none is known. Asking makes the node look for one. */
  costTo(node: string): number | null
}

interface Remembered {
  readonly offers: readonly Offer[]
  readonly atMs: number
}

export class ServiceDirectory {
  readonly #surroundings: Surroundings
  readonly #remembered = new Map<string, Remembered>()
  readonly #asking = new Map<string, Promise<readonly Offer[]>>()
  readonly #failedAt = new Map<string, number>()

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** Names of nodes. `doubted`: those that were given before did not work. Throws `not-found`, or why nobody could be asked. */
  async nodesFor(destination: Destination, protocol: ServiceProtocol, doubted = false): Promise<readonly string[]> {
    const { service, site, node } = destination
    if (node !== null) return [node]
    const nodes = nodesIn(await this.offersAt(site, doubted), service, protocol)
    if (nodes.size === 0) {
      const message = `nobody at ${site} offers ${service} over ${protocol}`
      throw new CausewayError('not-found', message, `see what there is: causeway services ${site}`)
    }
    if (nodes.size > 1) await this.#learnCosts(nodes)
    return this.#ranked(nodes, formatDestination(destination))
  }

  /** All that is offered at a site. */
  async offersAt(site: string, doubted = false): Promise<readonly Offer[]> {
    const here = this.#surroundings.offersHere(site)
    if (here) return here
    const known = this.#remembered.get(site)
    if (!known) return this.#ask(site)
    const ageMs = performance.now() - known.atMs
    if (ageMs < DOUBTED_MS) return known.offers
    // What may be wrong is asked for before it is used, and used all the same if nobody answers.
    if (doubted || known.offers.length === 0) return this.#ask(site).catch(() => known.offers)
    if (ageMs > FRESH_MS) this.#ask(site).catch(() => undefined)
    return known.offers
  }

  failed(node: string): void {
    remember(this.#failedAt, node, performance.now())
  }

  worked(node: string): void {
    this.#failedAt.delete(node)
  }

  /** There is no way to that node, as far as is known, and there is one to another that serves as well. */
  shouldLeave(node: string, { service, site, node: named }: Destination, protocol: ServiceProtocol): boolean {
    if (named !== null || this.#reaches(node)) return false
    const offers = this.#surroundings.offersHere(site) ?? this.#remembered.get(site)?.offers ?? []
    return [...nodesIn(offers, service, protocol)].some((other) => this.#reaches(other))
  }

  #reaches(node: string): boolean {
    return node === this.#surroundings.self || this.#surroundings.costTo(node) !== null
  }

  #ask(site: string): Promise<readonly Offer[]> {
    const asking = this.#asking.get(site)
    if (asking) return asking
    const answer = this.#surroundings
      .askOffers(site)
      .then((offers) => {
        remember(this.#remembered, site, { offers, atMs: performance.now() })
        return offers
      })
      .finally(() => this.#asking.delete(site))
    this.#asking.set(site, answer)
    return answer
  }

  /** A plan comes with the first round trip to a hub: with a choice of nodes it is worth waiting for. */
  async #learnCosts(nodes: ReadonlySet<string>): Promise<void> {
    for (let tries = 0; tries < COST_TRIES; tries++) {
      if ([...nodes].some((node) => this.#reaches(node))) return
      await pause(COST_TRY_MS)
    }
  }

  #ranked(nodes: ReadonlySet<string>, destination: string): string[] {
    const { self } = this.#surroundings
    const nowMs = performance.now()
    const rank = (node: string): readonly number[] => {
      const failed = nowMs - (this.#failedAt.get(node) ?? -SHUNNED_MS) < SHUNNED_MS
      const costMs = node === self ? -EQUAL_MS : (this.#surroundings.costTo(node) ?? Infinity)
      return [Number(failed), Math.floor(costMs / EQUAL_MS), nodeId(`${self} ${node} ${destination}`)]
    }
    const ranks = new Map([...nodes].map((node) => [node, rank(node)]))
    return [...nodes].toSorted((a, b) => compare(ranks.get(a) ?? [], ranks.get(b) ?? []))
  }
}

function nodesIn(offers: readonly Offer[], service: string, protocol: ServiceProtocol): Set<string> {
  return new Set(offers.filter((each) => each.service === service && each.protocol === protocol).map(({ node }) => node))
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : (a[at] ?? 0) < (b[at] ?? 0) ? -1 : 1
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > REMEMBERED_MAX && oldest !== undefined) map.delete(oldest)
}
