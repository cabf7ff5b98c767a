/** What a bench says of many samples or few events: order statistics, and how sure one may be of a rate. */

/** The smallest sample that at least the share `quantile` of them does not exceed; `null` of nothing. */
export function quantileOf(samples: readonly number[], quantile: number): number | null {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? null
}

export function maxOf(samples: readonly number[]): number | null {
  return samples.length === 0 ? null : samples.reduce((max, sample) => Math.max(max, sample))
}

export function meanOf(samples: readonly number[]): number | null {
  return samples.length === 0 ? null : sumOf(samples) / samples.length
}

export function sumOf(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0)
}

/** The 95 % quantile of the normal distribution, one side. */
const Z95 = 1.645

/**
 * The 95 % upper bound of the mean of a Poisson count. Of 0 events it is −ln 0.05 = 3.0: the "rule of three" (Hanley
 * and Lippman-Hand, 1983). Of more, half the χ² quantile with 2(count + 1) degrees of freedom, after Wilson and
 * Hilferty (1931), which is right to 1 %.
 */
export function countBound95(count: number): number {
  if (count === 0) return -Math.log(0.05)
  const n = count + 1
  return n * (1 - 1 / (9 * n) + Z95 / (3 * Math.sqrt(n))) ** 3
}
