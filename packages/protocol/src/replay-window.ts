/**
 * Which counters of an association have been opened: a ring of bits behind the highest one (RFC 6479). What is older than
 * the window counts as seen.
 */
const WORD_BITS = 32

export class ReplayWindow {
  readonly #width: number
  readonly #words: Uint32Array
  #highest = -1

  /** How many counters behind the highest are told apart; rounded up to a multiple of 32. */
  constructor(width: number) {
    const words = Math.ceil(width / WORD_BITS)
    this.#width = words * WORD_BITS
    // One more, so that clearing the one which the highest counter enters loses nothing of the window.
    this.#words = new Uint32Array(words + 1)
  }

  /** Whether `counter` is new. Does not note it: whoever forges a packet must not use up its counter. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true
    if (counter <= this.#highest - this.#width) return false
    return ((this.#words[this.#wordOf(counter)] ?? 0) & bitOf(counter)) === 0
  }

  /** Notes a counter that was fresh and authenticated. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      const last = Math.floor(counter / WORD_BITS)
      const first = Math.max(Math.floor(this.#highest / WORD_BITS) + 1, last - this.#words.length + 1)
      for (let word = first; word <= last; word++) this.#words[word % this.#words.length] = 0
      this.#highest = counter
    }
    const word = this.#wordOf(counter)
    this.#words[word] = (this.#words[word] ?? 0) | bitOf(counter)
  }

  #wordOf(counter: number): number {
    return Math.floor(counter / WORD_BITS) % this.#words.length
  }
}

function bitOf(counter: number): number {
  return 1 << (counter % WORD_BITS)
}
