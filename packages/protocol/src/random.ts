/** Chance as an input: the daemon injects the system's, the simulator a seeded one. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** Uniform in [0, 2^32). */
  uint32(): number
}

/** `ms` spread by ±`ratio`, so that many nodes with one period do not fall into step. */
export function jittered(random: Random, ms: number, ratio = 0.1): number {
  return ms * (1 + ratio * (2 * random.float() - 1))
}

/** A small seeded generator (Mulberry32, Tommy Ettinger, public domain algorithm): same seed, same world. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  float(): number {
    return this.uint32() / 0x1_0000_0000
  }
}
