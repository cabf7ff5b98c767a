/**
 * Writes of the node itself, of which its driver does not hear. Those of one turn go to the replica together, and so to the
 * disk: two that wait for each other's flush take twice as long.
 */
import type { WriteInput, WriteOutcome } from '@causeway/state'

export class OwnWrites {
  readonly #waiting = new Map<number, (result: WriteOutcome) => void>()
  #gathered: WriteInput[] = []
  #last = 0

  /** `done` is called once it is durable, or refused. */
  add(write: Omit<WriteInput, 'type' | 'request'>, done: (result: WriteOutcome) => void): void {
    const request = --this.#last
    this.#waiting.set(request, done)
    this.#gathered.push({ ...write, type: 'write', request })
  }

  /** What was written since the last call. */
  take(): WriteInput[] {
    return this.#gathered.splice(0)
  }

  /** False if it is no write of ours. */
  answered(request: number, result: WriteOutcome): boolean {
    const done = this.#waiting.get(request)
    this.#waiting.delete(request)
    done?.(result)
    return done !== undefined
  }
}
