/** Data on a link, so that it counts as one in use: ten small messages a second, and their echoes. */
import type { Fleet } from '../../netlab/fleet.ts'

const INTERVAL_MS = 100
const COUNT_MAX = 1_000_000

/** Until it is disposed of. A fault of the network only makes a pause in it. */
export function keepBusy(fleet: Fleet, from: string, to: string): Disposable {
  const stop = new AbortController()
  const flow = async (): Promise<void> => {
    const replies = fleet.at(from).ping(to, { count: COUNT_MAX, intervalMs: INTERVAL_MS, signal: stop.signal })
    while (!(await replies.next()).done);
  }
  // What it measures is of no interest here; that there is traffic shows in the figures.
  flow().catch(() => undefined)
  return { [Symbol.dispose]: () => stop.abort() }
}
