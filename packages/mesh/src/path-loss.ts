/**
 * Notices from what is sent over a path that it has begun to lose packets, somewhere between its two ends: a cumulative
 * sum test (Page, "Continuous inspection schemes", 1954). With traffic it is quicker than the probes of each link, and
 * it sees the whole path.
 *
 *     score = max(0, score + ln(P(what happened | bad) / P(what happened | fair)));  losing from `ALARM`, until `CLEAR`
 *
 * Fair is a loss of 3 %, bad is 15 %. At 20 % it takes about 60 packets; at 5 % it errs once in some ten thousand.
 */
const FAIR = 0.03
const BAD = 0.15
const LOST = Math.log(BAD / FAIR)
const ARRIVED = Math.log((1 - BAD) / (1 - FAIR))
const ALARM = 12
/** No more is piled up than takes about 60 good packets to forget. */
const SCORE_MAX = 16
const CLEAR = 8

export class PathLoss {
  #score = 0
  #losing = false

  /** The fate of one more packet is known. */
  observe(lost: boolean): void {
    this.#score = Math.min(SCORE_MAX, Math.max(0, this.#score + (lost ? LOST : ARRIVED)))
    if (this.#score >= ALARM) this.#losing = true
    else if (this.#score < CLEAR) this.#losing = false
  }

  get losing(): boolean {
    return this.#losing
  }
}
