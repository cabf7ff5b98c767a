/** The node behind the local API: reads are plain calls to the machine, the rest goes through the runtime. */
import {
  CausewayError,
  type ChannelView,
  type Credential,
  type DocumentsView,
  type EventView,
  type Limits,
  type LinkView,
  type PathsView,
  type PingReply,
  type StatusView,
  type TraceView,
  WAKE,
  type WhyView,
} from '@causeway/protocol'
import type { AllocatorPlace } from '@causeway/node'
import type { ApiBackend } from './api-backend.ts'
import type { DrainMark } from './drain-mark.ts'
import type { FleetBackend } from './fleet-routes.ts'
import type { ForwardingBackend } from './forwarding/forwarding.ts'
import type { Inquiries } from './inquiries.ts'
import { NodeRecords } from './node-records.ts'
import { NodeShared } from './node-shared.ts'
import type { NodeRuntime, PingRequest } from './node-runtime.ts'
import { NodeTasks } from './tasks/node-tasks.ts'

/** A ping without an answer to where no way is known ends after this: nobody should wait for a name that was mistyped. */
const NO_WAY_MS = 3_000

export interface BackendParts {
  readonly fleet: FleetBackend
  readonly forwarding: ForwardingBackend
  readonly inquiries: Inquiries
  readonly drainMark: DrainMark
  readonly limits: Limits
  readonly allocator: AllocatorPlace
}

export class NodeBackend implements ApiBackend {
  readonly records: NodeRecords
  readonly shared: NodeShared
  readonly fleet: FleetBackend
  readonly tasks: NodeTasks
  readonly forwarding: ForwardingBackend
  readonly #runtime: NodeRuntime
  readonly #inquiries: Inquiries
  readonly #drainMark: DrainMark

  constructor(runtime: NodeRuntime, credential: Credential, parts: BackendParts) {
    const { fleet, forwarding, inquiries, drainMark, limits, allocator } = parts
    this.#runtime = runtime
    this.fleet = fleet
    this.forwarding = forwarding
    this.#inquiries = inquiries
    this.#drainMark = drainMark
    this.records = new NodeRecords(
      credential.site,
      {
        replica: runtime.machine.replica,
        now: () => runtime.now(),
        cutOff: () => runtime.machine.cutOff(),
        onChange: (listener) => runtime.onChange(listener),
        onUnsynced: (listener) => runtime.onUnsynced(listener),
        write: (write) => runtime.write(write),
      },
      limits,
    )
    this.shared = new NodeShared({
      shared: runtime.machine.replica.shared,
      onShared: (listener) => runtime.onShared(listener),
      write: (name, update) => runtime.writeShared(name, update),
    })
    this.tasks = new NodeTasks(runtime, credential.name, allocator, () => this.records.freshness())
  }

  status(): StatusView {
    const status = this.#runtime.machine.status(this.#runtime.now())
    const { storeFault } = this.#runtime
    return storeFault === undefined ? status : { ...status, storeFault }
  }

  links(): LinkView[] {
    return this.#runtime.machine.links(this.#runtime.now())
  }

  channels(): ChannelView[] {
    return this.#runtime.machine.channels(this.#runtime.now())
  }

  documents(): DocumentsView {
    const { replica } = this.#runtime.machine
    const hashes = new Map<string, string>()
    const hashOf = (collection: string, partition: string): string => {
      const name = `${collection}/${partition}`
      const hash = hashes.get(name) ?? replica.contentHash(collection, partition)
      hashes.set(name, hash)
      return hash
    }
    const items = replica.heads().map((head) => ({ ...head, contentHash: hashOf(head.collection, head.partition) }))
    const nameOf = ({ collection, partition, writer }: (typeof items)[number]): string => `${collection}|${partition}|${writer}`
    return { items: items.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)), token: replica.token() }
  }

  paths(to: string): PathsView {
    if (to === this.status().node) throw new CausewayError('refused', 'the way to this node itself has no hops', 'name another node')
    const paths = this.#runtime.machine.paths(this.#runtime.now(), to)
    // Asking may have made the node look for a path: let it send what it has to.
    this.#runtime.input(WAKE)
    return paths
  }

  why(from: string, to: string): Promise<WhyView> {
    return this.#inquiries.why(from, to)
  }

  trace(to: string): Promise<TraceView> {
    return this.#inquiries.trace(to)
  }

  drain(draining: boolean): StatusView {
    const { node, role } = this.status()
    if (role !== 'hub')
      throw new CausewayError('refused', `${node} is an edge node: nothing passes through it that could be moved`, 'drain a hub')
    this.#runtime.input({ type: 'drain', draining })
    try {
      this.#drainMark.put(draining)
    } catch (cause) {
      const fault = `${node} ${draining ? 'drains' : 'is in use again'}, but only until it is restarted: its disk takes no mark of it`
      throw new CausewayError('store-full', fault, 'make room on the disk of dataDir, and repeat', { cause })
    }
    return this.status()
  }

  get recentEvents(): readonly EventView[] {
    return this.#runtime.recentEvents
  }

  onEvent(listener: (event: EventView) => void): () => void {
    return this.#runtime.onEvent(listener)
  }

  ping(ping: PingRequest, onReply: (reply: PingReply) => void): { readonly ended: Promise<string | null>; cancel(): void } {
    let answered = false
    const running = this.#runtime.ping(ping, (reply) => {
      answered = true
      onReply(reply)
    })
    const refused = Promise.withResolvers<string>()
    const patience = setTimeout(() => {
      if (answered || this.#knowsWayTo(ping.to)) return
      running.cancel()
      refused.resolve(
        this.status().cutOff
          ? `no way leads to ${ping.to}: this site is cut off from all hubs, and that is none of its nodes`
          : `no way to ${ping.to} is known to the network: no node of that name is connected`,
      )
    }, NO_WAY_MS)
    const ended = Promise.race([running.ended, refused.promise]).finally(() => clearTimeout(patience))
    return { ended, cancel: () => running.cancel() }
  }

  /** Without a plan there are last resorts only: some hub or other, at an unknown cost. */
  #knowsWayTo(to: string): boolean {
    return this.#runtime.machine.paths(this.#runtime.now(), to).paths.some(({ hops, costMs }) => hops.length === 1 || costMs !== null)
  }
}
