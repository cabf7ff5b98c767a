/** What every way of probing has in common: a plan that says when to send what, and a tally that can be read meanwhile. */
import type { ProbeTally } from '@causeway/probe/probe-tool'

export interface ProbePlan {
  /** How many to send; `null`: until told to stop. */
  readonly count: number | null
  readonly intervalMs: number
  /** Bytes of a packet; `null`: the least. */
  readonly bytes: number | null
  /** What is not answered by then is lost. */
  readonly timeoutMs: number
  /** Nothing is sent after it; `null`: no end. */
  readonly durationMs: number | null
  /** Source ports, used in turn: routers that spread by port then show all their ways. */
  readonly ports: number
  /** Class of service to ask for, 0 to 63; `null`: none. */
  readonly dscp: number | null
  /** How far off this machine's clock is at most, if an outside source sets it; `null`: that is not known. */
  readonly clockErrorMs: number | null
}

export const PROBE_DEFAULTS: ProbePlan = {
  count: null,
  intervalMs: 1_000,
  bytes: null,
  timeoutMs: 2_000,
  durationMs: null,
  ports: 1,
  dscp: null,
  clockErrorMs: null,
}

export interface Prober {
  readonly tally: ProbeTally
  /**
   * Probes until the plan is done or the signal is raised, then waits for the last answers. Throws `CausewayError` if
   * it cannot begin.
   */
  run(signal: AbortSignal): Promise<void>
}
