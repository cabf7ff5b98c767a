/** What goes on by itself when a daemon is gone for a while: which faults pass, and how long to wait before another attempt. */
import { CausewayError } from '@causeway/protocol'
import { setTimeout as wait } from 'node:timers/promises'

const RETRY_MS = 200
const RETRY_MS_MAX = 5_000

export function isPassing(error: unknown): error is CausewayError {
  return error instanceof CausewayError && (error.code === 'daemon-unreachable' || error.code === 'timeout')
}

/** Full jitter: the readers of one daemon should not come back all at once. */
export async function pauseBefore(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  await wait(Math.random() * Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** attempt), undefined, { ...(signal && { signal }) }).catch(
    () => undefined,
  )
}
