/** Drives a replica with a real clock: gives it inputs, wakes it, and carries out its effects. */
import { type StoreEffect, WAKE, instant } from '@causeway/protocol'
import type { Relation, Replica, ReplicaInput, WriteChange, WriteOutcome } from '@causeway/state'

const SESSION = 1

export class ReplicaDriver {
  readonly replica: Replica
  readonly #persist: (effect: StoreEffect) => void
  readonly #waiting = new Map<number, (outcome: WriteOutcome) => void>()
  readonly #flushed = Promise.withResolvers<void>()
  #toPeer: (message: Uint8Array) => void = () => {}
  #lastRequest = 0
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity

  /** `persist` answers with the input `persisted`, at any later time. */
  constructor(replica: Replica, persist: (effect: StoreEffect) => void) {
    this.replica = replica
    this.#persist = persist
    this.handle({ type: 'wall', offsetMs: performance.timeOrigin })
  }

  /** The session with its only peer begins; `send` takes a message to that. What comes back goes to `hear`. */
  meet(name: string, relation: Relation, send: (message: Uint8Array) => void): void {
    this.#toPeer = send
    this.handle({ type: 'sessionOpened', session: SESSION, peer: name, relation })
  }

  hear(message: Uint8Array): void {
    this.handle({ type: 'sessionMessage', session: SESSION, message })
  }

  /** The peer takes nothing more for now, or does again. */
  blocked(isBlocked: boolean): void {
    this.handle({ type: isBlocked ? 'sessionBlocked' : 'sessionDrained', session: SESSION })
  }

  write(collection: string, partition: string, changes: readonly WriteChange[]): Promise<WriteOutcome> {
    const request = ++this.#lastRequest
    const answer = Promise.withResolvers<WriteOutcome>()
    this.#waiting.set(request, answer.resolve)
    this.handle({ type: 'write', request, collection, partition, changes })
    return answer.promise
  }

  handle(input: ReplicaInput): void {
    for (const effect of this.replica.handle(instant(performance.now()), input)) {
      if (effect.type === 'persist') this.#persist(effect)
      else if (effect.type === 'flushed') this.#flushed.resolve()
      else if (effect.type === 'sessionSend') this.#toPeer(effect.message)
      else if (effect.type === 'written') {
        this.#waiting.get(effect.request)?.(effect.result)
        this.#waiting.delete(effect.request)
      }
    }
    this.#wakeAt(this.replica.nextWake() ?? Infinity)
  }

  /** Resolves when all is on disk. */
  async stop(): Promise<void> {
    this.#toPeer = () => {}
    this.handle({ type: 'flush' })
    await this.#flushed.promise
    clearTimeout(this.#timer)
  }

  #wakeAt(at: number): void {
    if (at === this.#dueAt) return
    clearTimeout(this.#timer)
    this.#dueAt = at
    if (at === Infinity) return
    const wake = (): void => {
      this.#dueAt = Infinity
      this.handle(WAKE)
    }
    this.#timer = setTimeout(wake, Math.max(0, at - performance.now()))
  }
}
