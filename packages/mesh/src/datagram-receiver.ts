/**
 * The receiving end of what is sent once: puts fragments together, and decides what is still worth delivering. Of class
 * `latest` nothing that is older than what was delivered; of class `twin`, whose messages come twice, each once.
 *
 *  1. No message is delivered twice.
 *  2. At most `PARTIAL_MAX` messages are incomplete at a time; the oldest gives way.
 */
import { joinBytes } from '@causeway/protocol'
import type { DatagramPacket } from './channel-packet.ts'

const PARTIAL_MAX = 32
/** How far back `twin` remembers what it has delivered; what is older is taken for a repetition. */
const SEEN_MAX = 4096

interface Incomplete {
  readonly fragments: (Uint8Array | undefined)[]
  missing: number
}

export class DatagramReceiver {
  readonly #ordered: boolean
  /** Of `latest` the highest delivered; of `twin` the highest seen. */
  #highest = -1
  readonly #seen = new Set<number>()
  readonly #partial = new Map<number, Incomplete>()
  /** Of `latest`: messages that came too late. */
  late = 0
  bytesReceived = 0

  constructor(frameClass: 'latest' | 'twin') {
    this.#ordered = frameClass === 'latest'
  }

  /** The message, if the packet completes one that is to be delivered. */
  packet({ sequence, fragment, fragments, payload }: DatagramPacket): Uint8Array | undefined {
    if (!this.#wanted(sequence)) {
      if (this.#ordered && fragment === 0) this.late++
      return undefined
    }
    const message = fragments === 1 ? payload : this.#gather(sequence, fragment, fragments, payload)
    if (!message) return undefined
    this.bytesReceived += message.length
    this.#delivered(sequence)
    return message
  }

  #wanted(sequence: number): boolean {
    if (this.#ordered) return sequence > this.#highest
    return sequence > this.#highest - SEEN_MAX && !this.#seen.has(sequence)
  }

  #delivered(sequence: number): void {
    this.#partial.delete(sequence)
    if (!this.#ordered) {
      this.#seen.add(sequence)
      // The oldest first: a set keeps the order in which things were added.
      for (const old of this.#seen) {
        if (this.#seen.size <= SEEN_MAX) break
        this.#seen.delete(old)
      }
    }
    if (sequence > this.#highest) this.#highest = sequence
    if (!this.#ordered) return
    for (const old of this.#partial.keys()) if (old < sequence) this.#partial.delete(old)
  }

  #gather(sequence: number, fragment: number, fragments: number, payload: Uint8Array): Uint8Array | undefined {
    let partial = this.#partial.get(sequence)
    if (!partial) {
      partial = { fragments: Array.from({ length: fragments }), missing: fragments }
      this.#partial.set(sequence, partial)
      const [oldest] = this.#partial.keys()
      if (this.#partial.size > PARTIAL_MAX && oldest !== undefined) this.#partial.delete(oldest)
    }
    if (partial.fragments.length !== fragments || partial.fragments[fragment]) return undefined
    partial.fragments[fragment] = payload
    if (--partial.missing > 0) return undefined
    return joinBytes(...(partial.fragments as Uint8Array[]))
  }
}
