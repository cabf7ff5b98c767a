/**
 * Time as the machines see it: monotonic milliseconds since an arbitrary start, handed in by the driver.
 *
 * A machine never reads a clock. Wall time, where a protocol needs it (stamps, expiries), is derived from the
 * monotonic instant and an offset which the driver states and corrects (`wall` input).
 */

declare const instantBrand: unique symbol

/** Monotonic time in milliseconds, with fractions. Differences are plain numbers of milliseconds. */
export type Instant = number & { readonly [instantBrand]: true }

/** Brands a number of monotonic milliseconds. Only drivers and tests make instants out of nothing. */
export function instant(ms: number): Instant {
  return ms as Instant
}

/** The instant `ms` milliseconds after `from`. */
export function after(from: Instant, ms: number): Instant {
  return (from + ms) as Instant
}

/** The earlier of two deadlines, either of which may be absent. */
export function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return a < b ? a : b
}
