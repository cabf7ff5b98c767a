/**
 * A link of which everything is known: the emulator delays each packet by 25 ms ± 3 ms each way, uniformly and each
 * by itself, and loses 3 % on the way there. What follows from that:
 *
 *     round trip     T = 50 + A − B with A, B uniform in ±3: median 50, and P(T > 50 + t) = (6 − t)²/72 for t ≥ 0
 *     jitter         mean of |D|, D the difference of two packets (RFC 3550, 6.4.1): one way, of two uniform variables of
 *                    width w, it is w/3; of round trips, of four such, 7w/15 (mean deviation of Irwin and Hall's law)
 */
export const DELAY_MS = 25
export const SPREAD_MS = 3
export const LOSS = 0.03

export const KNOWN_LINK: string = `delay=${DELAY_MS} jitter=${SPREAD_MS} reorder=1`

const WIDTH_MS = 2 * SPREAD_MS

export const TRUTH = {
  rttMsP50: 2 * DELAY_MS,
  rttMsP99: 2 * DELAY_MS + 2 * SPREAD_MS - Math.sqrt(0.01 * 8 * SPREAD_MS ** 2),
  jitterMsOneWay: WIDTH_MS / 3,
  jitterMsRoundTrip: (7 * WIDTH_MS) / 15,
} as const
