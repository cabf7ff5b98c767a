/**
 * Everything that a scrape shows, read at one instant: what the machine says of itself, what the driver has counted
 * around it, and what the process takes from its host.
 */
import type {
  DelayCounts,
  ForwardView,
  FrameCounts,
  Instant,
  LinkMetrics,
  ServiceView,
  StatusView,
  ViolationCode,
  VitalCounts,
} from '@causeway/protocol'
import type { DatagramDrops } from '../datagram-drops.ts'
import type { CallerCounts } from '../doorkeeper.ts'
import type { ForwardingBackend } from '../forwarding/forwarding.ts'
import type { Libp2pNetwork } from '../libp2p-network.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import { countOpenFiles } from '../open-files.ts'
import type { StampReflector } from '../probing/stamp-reflector.ts'
import type { TaskCounts } from './task-families.ts'

interface ProcessMetrics {
  readonly cpuSeconds: { readonly user: number; readonly system: number }
  readonly residentBytes: number
  readonly heapUsedBytes: number
  /** `null` where the host does not tell. */
  readonly openFiles: number | null
  /** Since 1970. */
  readonly startSeconds: number
}

export interface NodeMetrics {
  readonly status: StatusView
  readonly takesWrites: boolean
  readonly links: readonly LinkMetrics[]
  readonly violations: Readonly<Record<ViolationCode, number>>
  /** `null` on a node without datagrams. */
  readonly datagramDrops: DatagramDrops | null
  readonly frames: FrameCounts
  readonly callers: Readonly<CallerCounts>
  /** Sockets of the stream lane that were dropped; `null` where there are none. */
  readonly streamDrops: Readonly<Record<string, number>> | null
  /** Test packets of strangers by what became of them; `null` if this node does not reflect any. */
  readonly stampPackets: {
    readonly reflected: number
    readonly malformed: number
    readonly refused: number
    readonly unsent: number
  } | null
  /** Nodes of which this one has heard, by whether that was of late; and what was said. */
  readonly vitals: { readonly nodes: { readonly fresh: number; readonly silent: number }; readonly counts: VitalCounts }
  readonly forwards: readonly ForwardView[]
  /** That this node offers. */
  readonly services: readonly ServiceView[]
  readonly tasks: TaskCounts
  /** How late the ticks of the event loop came. */
  readonly loopLag: DelayCounts
  readonly process: ProcessMetrics
}

export function readNodeMetrics(
  runtime: NodeRuntime,
  network: Pick<Libp2pNetwork, 'callers' | 'droppedDatagrams' | 'droppedStreams'>,
  reflector: StampReflector | null,
  forwarding: Pick<ForwardingBackend, 'forwards' | 'services'>,
): NodeMetrics {
  const now = runtime.now()
  return {
    status: runtime.machine.status(now),
    takesWrites: runtime.storeFault === undefined,
    links: runtime.machine.linkMetrics(now),
    violations: runtime.violationCounts,
    datagramDrops: network.droppedDatagrams,
    frames: runtime.machine.frameCounts(),
    callers: { ...network.callers },
    streamDrops: network.droppedStreams && { ...network.droppedStreams },
    stampPackets: reflector ? stampPacketsOf(reflector) : null,
    vitals: vitalsOf(runtime, now),
    forwards: forwarding.forwards(),
    services: forwarding.services(),
    tasks: { phases: runtime.machine.tasks.counts(), ...runtime.machine.taskMetrics() },
    loopLag: runtime.loopLag,
    process: readProcess(),
  }
}

function stampPacketsOf({ counts: { reflected, malformed, refused, unsent } }: StampReflector): NodeMetrics['stampPackets'] {
  // The responder counts as reflected what the socket then could not send.
  return { reflected: reflected - unsent, malformed, refused, unsent }
}

function vitalsOf({ machine: { vitals } }: NodeRuntime, now: Instant): NodeMetrics['vitals'] {
  const views = vitals.views(now)
  const fresh = views.filter((view) => view.fresh).length
  return { nodes: { fresh, silent: views.length - fresh }, counts: vitals.counts }
}

function readProcess(): ProcessMetrics {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    cpuSeconds: { user: user / 1e6, system: system / 1e6 },
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    openFiles: countOpenFiles() ?? null,
    startSeconds: performance.timeOrigin / 1000,
  }
}
