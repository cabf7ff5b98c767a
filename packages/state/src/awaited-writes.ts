/** Writes that are durable here, and wait to be so elsewhere as well. */
import type { Backlog } from './backlog.ts'
import type { WrittenEffect } from './replica-contract.ts'
import type { OwnWrite } from './writer.ts'

export class AwaitedWrites {
  readonly #backlog: Backlog
  #waiting: OwnWrite[] = []
  /** Of the backlog, when it was last looked at. */
  #version = 0

  constructor(backlog: Backlog) {
    this.#backlog = backlog
  }

  /** The answers to those that need no more. The others wait until the backlog moves. */
  answer(writes: readonly OwnWrite[]): WrittenEffect[] {
    const effects: WrittenEffect[] = []
    for (const write of writes) {
      const { document, point, durability, effect } = write
      if (!document || !point || this.#backlog.reached(durability, document, point)) effects.push(effect)
      else this.#waiting.push(write)
    }
    return effects
  }

  /** The answers that have become due since. */
  late(): WrittenEffect[] {
    const { version } = this.#backlog
    if (version === this.#version) return []
    this.#version = version
    return this.answer(this.#waiting.splice(0))
  }
}
