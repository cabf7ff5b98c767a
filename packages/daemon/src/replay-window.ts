/**
 * Which counters of an association have been seen: a sliding window of bits behind the highest one, after RFC 6479
 * (and IPsec before it). Anything older than the window counts as seen.
 */
export const REPLAY_WINDOW = 1024

const WORD_BITS = 32
/** One word more than the window, so that the word being filled never hides one that is still needed. */
const WORDS = REPLAY_WINDOW / WORD_BITS + 1

export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS)
  #highest = -1

  /** True if `counter` is new; does not mark it. Ask before decrypting, mark after. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true
    if (counter <= this.#highest - REPLAY_WINDOW) return false
    return ((this.#words[wordOf(counter)] ?? 0) & bitOf(counter)) === 0
  }

  /** Call only for a counter that was fresh and authenticated. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      const from = Math.floor(this.#highest / WORD_BITS)
      const to = Math.floor(counter / WORD_BITS)
      for (let word = Math.max(from + 1, to - WORDS + 1); word <= to; word++) this.#words[word % WORDS] = 0
      this.#highest = counter
    }
    const word = wordOf(counter)
    this.#words[word] = (this.#words[word] ?? 0) | bitOf(counter)
  }
}

function wordOf(counter: number): number {
  return Math.floor(counter / WORD_BITS) % WORDS
}

function bitOf(counter: number): number {
  return 1 << (counter % WORD_BITS)
}
