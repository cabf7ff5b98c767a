/**
 * The Machine contract: all protocol logic of Causeway has this shape, and no other way to reach the world.
 *
 * A driver (the daemon, the simulator) owns clock, network, disk and chance. It calls `handle` with what
 * happened, carries out the effects in order, and calls again with `{type: 'wake'}` when `nextWake()` has come.
 *
 *  1. `handle` never throws for a peer's fault; a peer's fault is a `violation` effect. It throws only for a bug
 *     of ours (see `invariant`).
 *  2. `handle` is called with a `now` that never goes backwards.
 *  3. After every `handle` the driver asks `nextWake()` anew; waking early or late is harmless.
 *  4. A parent routes inputs to its children and their effects up; children never call each other.
 */
import type { Instant } from './instant.ts'

export interface Machine<Input, Effect> {
  handle(now: Instant, input: Input): Effect[]
  nextWake(): Instant | undefined
}

/** The input every machine understands: its deadline has come. */
export interface Wake {
  readonly type: 'wake'
}

export const WAKE: Wake = { type: 'wake' }
