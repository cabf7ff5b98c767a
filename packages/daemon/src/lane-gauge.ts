/**
 * How full a lane is, as the machine is told (rule 4 of the driver contract): `laneBlocked` once when it holds more than
 * `bytesMax` unsent, `laneDrained` once when it has emptied after that, whatever the lane travels over meanwhile.
 */
export class LaneGauge {
  readonly #bytesMax: number
  readonly #emit: (change: 'laneBlocked' | 'laneDrained') => void
  #blocked = false

  constructor(bytesMax: number, emit: (change: 'laneBlocked' | 'laneDrained') => void) {
    this.#bytesMax = bytesMax
    this.#emit = emit
  }

  /** To be called whenever the figure has changed. */
  report(unsentBytes: number): void {
    if (!this.#blocked && unsentBytes > this.#bytesMax) {
      this.#blocked = true
      this.#emit('laneBlocked')
    } else if (this.#blocked && unsentBytes === 0) {
      this.#blocked = false
      this.#emit('laneDrained')
    }
  }
}
