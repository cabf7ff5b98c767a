/**
 * What a hub does before it stops: it drains, so that what passes through it goes other ways already when it is gone. Nothing
 * of this is remembered; whoever wants a hub to stay drained says so by `causeway drain`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { NodeRuntime } from './node-runtime.ts'

/** Nothing has passed for so long: nothing more will. */
const QUIET_MS = 200
const LOOK_MS = 25

/** Returns when nothing passes through any more, and at the latest after `withinMs`. */
export async function takeLeave(runtime: Pick<NodeRuntime, 'input' | 'machine' | 'now'>, withinMs: number): Promise<void> {
  const relayed = (): number | undefined => {
    const { relay } = runtime.machine.status(runtime.now())
    return relay && relay.framesPerSecond ? relay.frames : undefined
  }
  let frames = relayed()
  if (frames === undefined) return
  runtime.input({ type: 'drain', draining: true })
  const until = performance.now() + withinMs
  for (let since = performance.now(); performance.now() < until && performance.now() - since < QUIET_MS; await pause(LOOK_MS)) {
    const now = relayed()
    if (now !== frames) [frames, since] = [now, performance.now()]
  }
}
