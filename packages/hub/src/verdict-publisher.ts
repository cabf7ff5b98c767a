/**
 * Writes verdicts down for everybody: of each site one hub does, chosen by all alike.
 *
 *  1. The hub is the first, by a hash over site and hub, of those that can be reached: sites are spread over hubs, and a
 *     hub that comes or goes moves only its own (Thaler and Ravishankar, "Using name-based mappings to increase hit
 *     rates", 1998).
 *  2. A record is written only if it would say something else than it does; what another hub has written meanwhile is
 *     looked at every 10 s.
 *  3. A hub that has just started publishes nothing: it would say what it has not heard yet.
 */
import { type Instant, type NodeId, after, nodeId } from '@causeway/protocol'
import type { LinkState } from '@causeway/mesh'
import { type NodeVerdict, VERDICTS, gistOf, verdictIn, verdictPartition, verdictValue } from '@causeway/node'
import type { Replica, WriteInput, WriteOutcome } from '@causeway/state'
import type { DepartedNodes } from './departed-nodes.ts'
import type { Verdicts } from './verdicts.ts'

const START_MS = 5_000
const LOOK_MS = 10_000
/** In place of a gist: its record is being removed. */
const GONE = 'gone'

export interface PublisherOptions {
  readonly self: NodeId
  readonly verdicts: Verdicts
  readonly departed: DepartedNodes
  readonly linkState: LinkState
  readonly replica: Pick<Replica, 'get'>
  readonly write: (now: Instant, write: Omit<WriteInput, 'type' | 'request'>, done: (result: WriteOutcome) => void) => void
  readonly report: (name: string, data: Record<string, string>) => void
}

export class VerdictPublisher {
  readonly #options: PublisherOptions
  /** Node → the gist that is on its way to the disk. */
  readonly #writing = new Map<string, string>()
  #lookAt: Instant
  #started = false

  constructor(now: Instant, options: PublisherOptions) {
    this.#options = options
    this.#lookAt = after(now, START_MS)
  }

  /** `changed`: some verdict has. */
  decide(now: Instant, changed: boolean): void {
    const { linkState, verdicts, departed, self } = this.#options
    const looks = now >= this.#lookAt
    if (!looks && !(changed && this.#started)) return
    if (looks) this.#lookAt = after(now, LOOK_MS)
    this.#started = true
    const hubs = linkState.hubs().flatMap(({ id, reachable }) => (reachable ? [id] : []))
    for (const { site, region, nodes, gone } of verdicts.sites()) {
      if (publisherOf(site, hubs) !== self) continue
      if (looks) departed.remove(now, site)
      this.#publish(now, { site, region }, [...nodes], gone)
    }
  }

  nextWake(): Instant {
    return this.#lookAt
  }

  #publish(
    now: Instant,
    place: { readonly site: string; readonly region: string },
    nodes: readonly NodeVerdict[],
    gone: readonly string[],
  ): void {
    const { replica, write, report } = this.#options
    const partition = verdictPartition(place)
    const news = nodes.filter((verdict) => {
      const record = replica.get(VERDICTS, partition, verdict.node)
      const known = this.#writing.get(verdict.node) ?? gistOf(record && verdictIn(record))
      return known !== gistOf(verdict)
    })
    const left = gone.filter((node) => replica.get(VERDICTS, partition, node) && this.#writing.get(node) !== GONE)
    if (news.length + left.length === 0) return
    for (const verdict of news) this.#writing.set(verdict.node, gistOf(verdict))
    for (const node of left) this.#writing.set(node, GONE)
    const changes = [
      ...news.map((verdict) => ({ key: verdict.node, operation: { type: 'put' as const, value: verdictValue(verdict) } })),
      ...left.map((key) => ({ key, operation: { type: 'delete' as const } })),
    ]
    write(now, { collection: VERDICTS, partition, changes }, (result) => {
      for (const node of left) if (this.#writing.get(node) === GONE) this.#writing.delete(node)
      for (const verdict of news) if (this.#writing.get(verdict.node) === gistOf(verdict)) this.#writing.delete(verdict.node)
      if (!result.ok) report('verdict-not-published', { site: place.site, reason: result.message, remedy: result.remedy })
    })
  }
}

/** Who publishes the verdicts on a site. */
export function publisherOf(site: string, hubs: readonly NodeId[]): NodeId | undefined {
  const weight = (hub: NodeId): number => nodeId(`${site}.${hub}`)
  return hubs.toSorted((a, b) => weight(b) - weight(a) || a - b)[0]
}
