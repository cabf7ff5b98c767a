/**
 * When to send. Every packet is due at `start + n · interval`, whatever became of those before: a late timer delays
 * one packet and not all that follow, and a slow answer never keeps the next packet back (or the worst moments would
 * be the least measured).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { instant } from '@causeway/protocol'
import type { ProbeTally } from '@causeway/probe/probe-tool'
import type { ProbePlan } from './prober.ts'

/** Who overslept longer than this (a suspended machine) goes on from now, instead of sending all that it missed. */
const CATCH_UP_MS_MAX = 1_000
const LOOK_MS = 10
/** So long an interrupted measurement waits for what is out. */
const GRACE_MS = 200

/** Calls `send` for each packet that is due, until the plan is done or the signal is raised. */
export async function followSchedule(
  { count, intervalMs, durationMs }: Pick<ProbePlan, 'count' | 'intervalMs' | 'durationMs'>,
  signal: AbortSignal,
  send: () => void,
): Promise<void> {
  const inTime = durationMs === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(durationMs / intervalMs))
  const total = Math.min(count ?? Number.POSITIVE_INFINITY, inTime)
  let start = performance.now()
  for (let sent = 0; sent < total && !signal.aborted; sent++) {
    const lateMs = performance.now() - (start + sent * intervalMs)
    if (lateMs < 0) await pauseUnless(signal, -lateMs)
    else if (lateMs > CATCH_UP_MS_MAX) start += lateMs
    if (!signal.aborted) send()
  }
}

/** Waits until every packet is answered or lost. An interrupted measurement waits a moment and forgets the rest. */
export async function waitForStragglers(tally: ProbeTally, signal: AbortSignal): Promise<void> {
  const settled = (): boolean => {
    tally.settle(instant(performance.now()))
    return tally.waiting === 0
  }
  while (!signal.aborted && !settled()) await pauseUnless(signal, LOOK_MS)
  for (const until = performance.now() + GRACE_MS; signal.aborted && !settled() && performance.now() < until;) await pause(LOOK_MS)
  tally.breakOff()
}

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  try {
    await pause(ms, undefined, { signal })
  } catch {
    // Interrupted: the caller looks at the signal.
  }
}
