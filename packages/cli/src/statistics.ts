/**
 * Statistics of a run that fits in memory: exact, by sorting. (What runs for days uses the histograms of
 * `@causeway/probe`.)
 */
export interface Summary {
  readonly min: number | null
  readonly avg: number | null
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly max: number | null
}

/** All `null` for no samples: what was not measured is not zero. */
export function summarise(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)
  const sum = sorted.reduce((total, value) => total + value, 0)
  return {
    min: sorted[0] ?? null,
    avg: sorted.length === 0 ? null : sum / sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? null,
  }
}

/** Nearest rank: the smallest sample that at least the share `p` of all does not exceed. */
export function percentile(sorted: readonly number[], p: number): number | null {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? null
}

export interface Sequencing {
  readonly received: number
  readonly duplicated: number
  /** Arrived after one with a higher number. */
  readonly reordered: number
}

/** What became of numbered messages, from the numbers in the order of arrival. */
export function sequencing(sequences: Iterable<number>): Sequencing {
  const seen = new Set<number>()
  let highest = -1
  let duplicated = 0
  let reordered = 0
  for (const sequence of sequences) {
    if (seen.has(sequence)) duplicated++
    else if (sequence < highest) reordered++
    seen.add(sequence)
    highest = Math.max(highest, sequence)
  }
  return { received: seen.size, duplicated, reordered }
}

/** The longest time between two consecutive instants; `null` for fewer than two. */
export function longestGap(instants: readonly number[]): number | null {
  let longest: number | null = null
  for (let i = 1; i < instants.length; i++) {
    const gap = (instants[i] ?? 0) - (instants[i - 1] ?? 0)
    if (longest === null || gap > longest) longest = gap
  }
  return longest
}
