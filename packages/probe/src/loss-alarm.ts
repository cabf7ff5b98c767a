/**
 * Notices within a second or two that a link has begun to lose packets: a cumulative sum test (Page, "Continuous
 * inspection schemes", 1954), which asks after every probe whether the recent past looks more like a bad link than
 * like a fair one.
 *
 *     score = max(0, score + ln(P(what happened | bad) / P(what happened | fair)));  alarm at `ALARM`
 *
 * Fair is a loss of 10 % there and back (5 % each way), bad is 30 %. A score above 0 is also the reason to probe
 * faster: on a clean link one lost probe is forgotten after five good ones.
 */
const FAIR = 0.1
const BAD = 0.3
const LOST = Math.log(BAD / FAIR)
const ANSWERED = Math.log((1 - BAD) / (1 - FAIR))
/** A fair link gets there about once in e⁸ excursions. */
const ALARM = 8

export class LossAlarm {
  #score = 0
  #raised = false

  /** The fate of the next probe is known. */
  observe(lost: boolean): void {
    this.#score = Math.max(0, this.#score + (lost ? LOST : ANSWERED))
    if (this.#score >= ALARM) this.#raised = true
  }

  get suspicious(): boolean {
    return this.#score > 0
  }

  /** Until it is reset. */
  get raised(): boolean {
    return this.#raised
  }

  reset(): void {
    this.#score = 0
    this.#raised = false
  }
}
