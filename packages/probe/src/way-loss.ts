/**
 * Which way packets were lost. The reflector of a session numbers what it receives: between two answers, what it did
 * not count never reached it (forward); what it counted and we never saw was lost coming back.
 *
 *  1. Only what lies before the last answer can be told; the rest is nobody's until the next answer.
 *  2. A reflector that begins to count anew costs knowledge of one gap, never a false number.
 *  3. A stateless reflector (RFC 8762, 4.3) copies our number and so tells nothing: then both ways are unknown.
 *     It is recognised by a number that the sender left out: only a copy can have skipped it too.
 */
export interface WayCounts {
  readonly forward: number
  readonly backward: number
}

/** An answer, as a sender sees it that has sent packets 0, 1, 2, … */
export interface NumberedAnswer {
  readonly index: number
  /** Under which number the packet travelled. */
  readonly sequence: number
  readonly reflectorSequence: number
}

export class WayLoss {
  #highest = -1
  #highestReflected = -1
  #answered = 0
  #forward = 0
  #untold = 0
  #copies = 0
  #counts = 0

  /** The first answer to a packet, in the order in which they come. */
  add({ index, sequence, reflectorSequence }: NumberedAnswer): void {
    this.#answered++
    if (sequence !== index) {
      if (reflectorSequence === sequence) this.#copies++
      else this.#counts++
    }
    // Numbers have 32 bits and begin again.
    const reflected = (reflectorSequence - this.#highestReflected) | 0
    if (index < this.#highest) {
      this.#overtaken(reflected)
      return
    }
    const gap = index - this.#highest
    const anew = reflected <= 0 || (this.#highest < 0 && reflected > gap)
    if (anew) this.#untold += gap - 1
    else this.#forward += Math.max(0, gap - reflected)
    this.#highest = index
    this.#highestReflected = reflectorSequence | 0
  }

  /** A further answer to a packet that has been answered: if the reflector had it twice, it has counted it twice. */
  repeat(reflectorSequence: number): void {
    const reflected = (reflectorSequence - this.#highestReflected) | 0
    if (reflected === 1) this.#highestReflected = reflectorSequence | 0
  }

  /** `null` while, or where, it cannot be told. */
  counts(): WayCounts | null {
    const stateless = this.#copies > 0 && this.#counts === 0
    if (this.#answered === 0 || stateless) return null
    const unanswered = this.#highest + 1 - this.#answered
    const forward = Math.max(0, Math.min(this.#forward, unanswered - this.#untold))
    return { forward, backward: Math.max(0, unanswered - this.#untold - forward) }
  }

  /** It was overtaken on its way there: what was taken for lost has been counted after all. */
  #overtaken(reflected: number): void {
    if (reflected <= 0) return
    this.#forward = Math.max(0, this.#forward - reflected)
    this.#highestReflected = (this.#highestReflected + reflected) | 0
  }
}
