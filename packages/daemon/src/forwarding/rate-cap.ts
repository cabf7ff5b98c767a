/**
 * At most so many bytes per second: a bucket that fills at the rate. Whoever takes more than is in it runs it into debt,
 * and has to wait until that is paid; so nothing need be cut into pieces, and on average the rate holds.
 */

/** A burst of a tenth of a second passes at once, and one read of a socket always does. */
const BURST_SECONDS = 0.1
const BURST_BYTES_MIN = 64 * 1024

export class RateCap {
  readonly #bytesPerMs: number
  readonly #burst: number
  #bytes: number
  #filledAtMs: number | undefined

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#burst = Math.max(BURST_BYTES_MIN, bytesPerSecond * BURST_SECONDS)
    this.#bytes = this.#burst
  }

  /** Takes the bytes; how long to wait before any more, ms. */
  take(nowMs: number, bytes: number): number {
    this.#fill(nowMs)
    this.#bytes -= bytes
    return this.#bytes >= 0 ? 0 : -this.#bytes / this.#bytesPerMs
  }

  /** Takes the bytes if there is no debt: for what would rather be dropped than wait. */
  takeIfFree(nowMs: number, bytes: number): boolean {
    this.#fill(nowMs)
    if (this.#bytes < 0) return false
    this.#bytes -= bytes
    return true
  }

  #fill(nowMs: number): void {
    this.#bytes = Math.min(this.#burst, this.#bytes + (nowMs - (this.#filledAtMs ?? nowMs)) * this.#bytesPerMs)
    this.#filledAtMs = nowMs
  }
}
