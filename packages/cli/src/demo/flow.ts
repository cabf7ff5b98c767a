/**
 * A flow of 100 messages a second between two sites, and what became of it. The far end stamps each arrival with its
 * own monotonic clock, so that gaps are measured there and nothing that happens to the echo counts twice.
 */
import type { PathView, PingReply } from '@causeway/protocol'
import { milliseconds } from '../quantity.ts'
import { longestGap, percentile, sequencing } from '../statistics.ts'
import type { DemoNetwork } from './demo-network.ts'
import type { Pair } from './emulator.ts'
import type { NodeProcess } from './node-process.ts'

const FLOW_INTERVAL_MS = 10
const FLOW_BYTES = 200
/** For answers that are still on their way when the last message has left. */
const DRAIN_MS = 15_000

export interface FlowFigures {
  readonly sent: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** Longest time without an arrival at the far end, from shortly before the fault on; `null` if it has not ended. */
  readonly gapMs: number | null
  /** Round trip before the fault (median). */
  readonly rttMs: number | null
  /** Nodes after the source: before the fault, and at the end. */
  readonly pathBefore: readonly string[]
  readonly pathAfter: readonly string[]
  /** How much longer the path after is than the one before, one way: no failover can hide that part of the gap. */
  readonly detourMs: number
  /** Why the flow ended early, if it did. */
  readonly fault: string | null
}

/** What the source sees while the flow runs. */
export class Flow {
  readonly source: NodeProcess
  readonly target: NodeProcess
  readonly sent: number
  readonly replies: PingReply[] = []
  readonly done: Promise<void>
  /** Why it ended early, if it did. */
  fault: unknown

  constructor(source: NodeProcess, target: NodeProcess, seconds: number) {
    this.source = source
    this.target = target
    this.sent = Math.round((seconds * 1000) / FLOW_INTERVAL_MS)
    this.done = this.#run(AbortSignal.timeout(seconds * 1000 + DRAIN_MS))
  }

  async #run(signal: AbortSignal): Promise<void> {
    const shape = { count: this.sent, intervalMs: FLOW_INTERVAL_MS, bytes: FLOW_BYTES, signal }
    try {
      for await (const reply of this.source.client.ping(this.target.name, shape)) this.replies.push(reply)
    } catch (error) {
      this.fault = error
    }
  }

  /** The path in use. */
  async path(): Promise<PathView | undefined> {
    const { paths } = await this.source.client.paths(this.target.name)
    return paths.find(({ active }) => active) ?? paths[0]
  }

  /** The path in use, and the uplink on it: its first hub and the node before. */
  async uplink(network: DemoNetwork): Promise<{ readonly path: PathView; readonly pair: Pair; readonly hub: string } | undefined> {
    const path = await this.path()
    if (!path) return undefined
    const hubs = new Set(network.topology.hubs.map(({ name }) => name))
    const at = path.hops.findIndex((hop) => hubs.has(hop))
    const hub = path.hops[at]
    return hub === undefined ? undefined : { path, hub, pair: [path.hops[at - 1] ?? this.source.name, hub] }
  }
}

/** `answeredBefore`: how many answers had come when the fault was made. */
export function flowFigures(
  flow: Pick<Flow, 'replies' | 'sent' | 'fault'>,
  answeredBefore: number,
  paths: Pick<FlowFigures, 'pathBefore' | 'pathAfter' | 'detourMs'>,
): FlowFigures {
  const { replies, sent } = flow
  const numbers = replies.map(({ sequence }) => sequence)
  const { received, duplicated, reordered } = sequencing(numbers)
  const last = replies.at(-1)
  // Half a second before the fault, by the numbers of the messages.
  const from = Math.max(0, answeredBefore - 50)
  const arrivals = replies
    .slice(from)
    .map(({ remoteMs }) => remoteMs)
    .toSorted((a, b) => a - b)
  // If the last message was not answered, nobody knows how long the gap became.
  const ended = numbers.length > 0 && Math.max(...numbers) - Math.min(...numbers) + 1 >= sent
  const before = replies.slice(0, answeredBefore).map(({ rttMs }) => rttMs)
  return {
    sent,
    lost: sent - received,
    // The far end may have had a message twice although its second echo never came.
    duplicated: Math.max(duplicated, (last?.remoteCount ?? 0) - sent, 0),
    reordered,
    gapMs: ended ? longestGap(arrivals) : null,
    rttMs: percentile(
      before.toSorted((a, b) => a - b),
      0.5,
    ),
    ...paths,
    fault: flow.fault instanceof Error ? flow.fault.message : null,
  }
}

const GAP_MS_MAX = 1000

export function flowHeld({ gapMs, lost, duplicated, reordered }: FlowFigures): boolean {
  return gapMs !== null && gapMs < GAP_MS_MAX && lost === 0 && duplicated === 0 && reordered === 0
}

export function flowLine({ gapMs, rttMs, sent, lost, duplicated, reordered, detourMs, fault }: FlowFigures): string {
  const detour = detourMs >= 1 ? `, the new path is ${milliseconds(detourMs)} ms longer` : ''
  const roundTrips = gapMs !== null && rttMs ? ` (${(gapMs / rttMs).toFixed(1)} round trips of ${milliseconds(rttMs)} ms${detour})` : ''
  return `longest gap ${milliseconds(gapMs)} ms${roundTrips}; of ${sent}: ${lost} lost, ${duplicated} twice, ${reordered} out of order${fault === null ? '' : ` (${fault})`}`
}
