/**
 * What a node tells of ways through the network: why a path is taken, what each hop of it is like, and what passes
 * through a hub. Public shapes, like those of api.ts: names never change their meaning.
 */
import type { BothDirections, LinkState, PathsView } from './api.ts'

/** What passes through a hub on behalf of others. */
export interface RelayView {
  /** It wants to be left. */
  readonly draining: boolean
  /** Frames passed on since the start. */
  readonly frames: number
  /** Over the last seconds; `null` before there were any. */
  readonly framesPerSecond: number | null
}

/** The paths that a node holds to another, and why it uses the one it uses. */
export interface PathUseView extends PathsView {
  readonly reason: string
}

export interface PathStep {
  readonly from: string
  readonly to: string
  readonly costMs: number | null
}

export interface PathCandidate {
  /** Names of the nodes after the source; the last is the destination. */
  readonly hops: readonly string[]
  readonly costMs: number
  readonly steps: readonly PathStep[]
  readonly planned: boolean
  /** Why it is in the plan, or is not. */
  readonly reason: string
}

/** What a hub answers to the question which ways lead from one node to another. */
export interface PlanExplanation {
  readonly from: string
  readonly to: string
  /** Who answers, from its link state. */
  readonly hub: string
  readonly candidates: readonly PathCandidate[]
  /** Hubs through which nothing is planned, whatever it cost. */
  readonly excluded: readonly { readonly hub: string; readonly reason: string }[]
}

export interface WhyView extends PlanExplanation {
  /** What the source makes of it; `null` if it could not be asked. */
  readonly use: PathUseView | null
}

/** One step of a path, as its two ends measure their link all the time. */
export interface TraceHop {
  readonly from: string
  readonly to: string
  readonly state: LinkState
  /** `forward` is towards the destination. */
  readonly oneWayMs: BothDirections
  /** The clocks of the two ends do not agree: so far off are the one-way figures at most. */
  readonly uncertaintyMs: number | null
  readonly rttMs: { readonly last: number | null; readonly p50: number | null; readonly p95: number | null }
  readonly lossRatio: BothDirections
  readonly costMs: number | null
}

export interface TraceView {
  readonly to: string
  /** The hops of the path in use; what a node did not tell is `null`. */
  readonly hops: readonly TraceHop[]
  /** Sum over the hops. */
  readonly rttMs: number | null
  /** Hops that could not be asked, with the reason. */
  readonly unknown: readonly { readonly from: string; readonly to: string; readonly reason: string }[]
}
