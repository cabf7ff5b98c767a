/** The links of a node by peer, and what they look like from outside. */
import {
  type Instant,
  type LinkMetrics,
  type LinkView,
  type NodeId,
  type Role,
  credentialEnded,
  earliest,
  instant,
} from '@causeway/protocol'
import type { Link } from './link.ts'

/** The last choice: a link whose cost is not known. */
const UNMEASURED_COST_MS = 1e9

export class LinkTable {
  /** Wall clock minus monotonic instant. */
  wallOffsetMs = 0
  /** Somebody of our site reaches a hub, and carries our frames. */
  helped = false
  readonly #name: string
  readonly #links = new Map<NodeId, Link>()

  /** `name` of this node. */
  constructor(name: string) {
    this.#name = name
  }

  get(peer: NodeId): Link | undefined {
    return this.#links.get(peer)
  }

  add(link: Link): Link {
    this.#links.set(link.peer.id, link)
    return link
  }

  /** When to wake a link: when it wants to, or right after the last millisecond in which the credential of its peer counts. */
  wakeOf(link: Link): Instant | undefined {
    const wakeAt = link.nextWake()
    return link.connection === undefined ? wakeAt : earliest(wakeAt, instant(link.peer.credential.notAfterMs + 1 - this.wallOffsetMs))
  }

  /** Why the peer counts no more, if there is still a connection with it. */
  ended(now: Instant, { connection, peer }: Link): string | undefined {
    return connection === undefined ? undefined : credentialEnded(peer.credential, now + this.wallOffsetMs)
  }

  all(): Iterable<Link> {
    return this.#links.values()
  }

  hubs(): Link[] {
    return [...this.#links.values()].filter((link) => link.isHub)
  }

  /** We can reach no hub. */
  get isAlone(): boolean {
    for (const link of this.#links.values()) if (link.up && link.isHub) return false
    return true
  }

  /** Nor can anybody beside us. */
  get isCutOff(): boolean {
    return this.isAlone && !this.helped
  }

  /** Links that are up, cheapest first; to nodes of one role if one is named. */
  live(role?: Role): Link[] {
    // A cost is worked out when it is asked for: once for each link, not once for each comparison.
    return [...this.#links.values()]
      .filter((link) => link.up && (role === undefined || link.peer.credential.role === role))
      .map((link) => ({ link, costMs: link.costMs ?? UNMEASURED_COST_MS }))
      .toSorted((one, other) => one.costMs - other.costMs)
      .map(({ link }) => link)
  }

  metrics(now: Instant): LinkMetrics[] {
    return [...this.#links.values()].map((link) => link.metrics(now, this.#name, this.wallOffsetMs))
  }

  views(now: Instant): LinkView[] {
    return [...this.#links.values()].map((link) => link.view(now, this.#name, this.wallOffsetMs))
  }
}
