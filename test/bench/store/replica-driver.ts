/** Drives a replica with a real clock: gives it inputs, wakes it, and carries out its effects. */
import { type StoreEffect, WAKE, instant } from '@causeway/protocol'
import type { Relation, Replica, ReplicaInput, WriteChange, WriteOutcome } from '@causeway/state'

const SESSION = 1

export class ReplicaDriver {
  readonly replica: Replica
  readonly #persist: (effect: StoreEffect) => void
  readonly #waiting = new Map<number, (outcome: WriteOutcome) => void>()
  readonly #flushed = Promise.withResolvers<void>()
  #peer: ReplicaDriver | undefined
  #lastRequest = 0
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity

  /** `persist` answers with the input `persisted`, at any later time. */
  constructor(replica: Replica, persist: (effect: StoreEffect) => void) {
    this.replica = replica
    this.#persist = persist
    this.handle({ type: 'wall', offsetMs: performance.timeOrigin })
  }

  /** A session with a peer in this process. */
  meet(peer: ReplicaDriver, name: string, relation: Relation): void {
    this.#peer = peer
    this.handle({ type: 'sessionOpened', session: SESSION, peer: name, relation })
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
      else if (effect.type === 'sessionSend') this.#send(effect.message)
      else if (effect.type === 'written') {
        this.#waiting.get(effect.request)?.(effect.result)
        this.#waiting.delete(effect.request)
      }
    }
    this.#wakeAt(this.replica.nextWake() ?? Infinity)
  }

  /** Resolves when all is on disk. */
  async stop(): Promise<void> {
    this.#peer = undefined
    this.handle({ type: 'flush' })
    await this.#flushed.promise
    clearTimeout(this.#timer)
  }

  #send(message: Uint8Array): void {
    queueMicrotask(() => this.#peer?.handle({ type: 'sessionMessage', session: SESSION, message }))
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
