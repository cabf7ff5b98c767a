/** Writes that are durable here, and wait to be so elsewhere as well. */
import type { Backlog } from './backlog.ts'
import type { WrittenEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { conflict } from './write-outcome.ts'
import type { OwnWrite } from './own-write.ts'

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

  /** These logs are void: who waits for one of them hears that it will never be anywhere else. */
  abandon(document: Pick<ReplicatedDocument, 'id'>, logs: readonly { readonly epoch: number }[]): WrittenEffect[] {
    const isVoid = (write: OwnWrite): boolean =>
      write.document?.id === document.id && logs.some(({ epoch }) => epoch === write.point?.epoch)
    const abandoned = this.#waiting.filter(isVoid)
    this.#waiting = this.#waiting.filter((write) => !isVoid(write))
    const result = conflict('this node was retired while it was away, and this write with it', 'Read the record and write it again.')
    return abandoned.map(({ effect }) => ({ ...effect, result }))
  }

  /** The answers that have become due since. */
  late(): WrittenEffect[] {
    const { version } = this.#backlog
    if (version === this.#version) return []
    this.#version = version
    return this.answer(this.#waiting.splice(0))
  }
}
