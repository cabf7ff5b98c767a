/**
 * Smoothed round trip and its variance, and the timeout that follows from them: how long is silence still normal?
 *
 * RFC 6298, 2.2–2.3 (RFC 9002, 5.3 uses the same weights):
 *
 *     first sample R:  srtt = R;  rttvar = R/2
 *     then:            rttvar = 3/4·rttvar + 1/4·|srtt − R|;  srtt = 7/8·srtt + 1/8·R
 *     timeout = max(floor, srtt + 4·rttvar + margin)
 */
export interface TimeoutBounds {
  /** Before the first sample, ms. */
  readonly timeoutMsStart: number
  readonly timeoutMsMin: number
  readonly timeoutMarginMs: number
}

export class RoundTrip {
  #lastMs: number | null = null
  #smoothedMs: number | null = null
  #varianceMs: number | null = null

  add(sampleMs: number): void {
    this.#lastMs = sampleMs
    if (this.#smoothedMs === null || this.#varianceMs === null) {
      this.#smoothedMs = sampleMs
      this.#varianceMs = sampleMs / 2
      return
    }
    this.#varianceMs = 0.75 * this.#varianceMs + 0.25 * Math.abs(this.#smoothedMs - sampleMs)
    this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * sampleMs
  }

  get lastMs(): number | null {
    return this.#lastMs
  }

  get smoothedMs(): number | null {
    return this.#smoothedMs
  }

  get varianceMs(): number | null {
    return this.#varianceMs
  }

  timeoutMs(bounds: TimeoutBounds): number {
    if (this.#smoothedMs === null || this.#varianceMs === null) return bounds.timeoutMsStart
    return Math.max(bounds.timeoutMsMin, this.#smoothedMs + 4 * this.#varianceMs + bounds.timeoutMarginMs)
  }
}
