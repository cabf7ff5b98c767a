/**
 * Which counters of an association have been opened: a ring of bits behind the highest one (RFC 6479). It is wide,
 * because the packets of an association take paths of different length: at 100,000 packets a second and 100 ms
 * between the fastest path and the slowest, 10,000 that are not late overtake each other. Older than the window
 * counts as seen.
 */
export const REPLAY_WINDOW = 16_384

const WORD_BITS = 32
/** One word more than the window, so that clearing the one which the highest counter enters loses nothing of it. */
const WORDS = REPLAY_WINDOW / WORD_BITS + 1

export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS)
  #highest = -1

  /** Whether `counter` is new. Does not note it: whoever forges a packet must not use up its counter. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true
    if (counter <= this.#highest - REPLAY_WINDOW) return false
    return ((this.#words[wordOf(counter)] ?? 0) & bitOf(counter)) === 0
  }

  /** Notes a counter that was fresh and authenticated. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      const last = Math.floor(counter / WORD_BITS)
      const first = Math.max(Math.floor(this.#highest / WORD_BITS) + 1, last - WORDS + 1)
      for (let word = first; word <= last; word++) this.#words[word % WORDS] = 0
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
