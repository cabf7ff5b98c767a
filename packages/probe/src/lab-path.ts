/**
 * One direction of a link in a virtual world, for tests: delay, jitter, cuts, and loss that comes singly or in bursts
 * (Gilbert, "Capacity of a burst-noise channel", 1960; Elliott, 1963). Control messages are repaired as TCP would: in
 * order, a lost one a retransmission timeout later, doubling (RFC 6298, 5.5).
 */
import type { SeededRandom } from '@causeway/protocol'

const TCP_REPAIR_MS = 200
const TCP_REPAIRS_MAX = 6

/** Two states with exponential stays; a loss ratio in each. */
export interface BurstyLoss {
  readonly goodMs: number
  readonly badMs: number
  readonly goodLoss: number
  readonly badLoss: number
}

export class LabPath {
  delayMs: number
  /** Added to the delay: uniform between 0 and this, ms. */
  spreadMs = 0
  /** Share of packets lost, each by itself. */
  loss = 0
  bursty: BurstyLoss | undefined
  cut = false
  udpCut = false
  controlCut = false
  readonly #random: SeededRandom
  #bad = false
  #stateUntil = 0
  #tcpFreeAt = 0

  constructor(random: SeededRandom, delayMs: number) {
    this.#random = random
    this.delayMs = delayMs
  }

  /** When a datagram sent at `now` arrives; `undefined` if it is lost. */
  datagram(now: number): number | undefined {
    if (this.cut || this.udpCut || this.#loses(now)) return undefined
    return now + this.#delay()
  }

  /** When a control message sent at `now` arrives; `undefined` if the path is cut. */
  control(now: number): number | undefined {
    if (this.cut || this.controlCut) return undefined
    let at = now
    for (let repair = 0; repair < TCP_REPAIRS_MAX && this.#loses(at); repair++) at += TCP_REPAIR_MS * 2 ** repair + 2 * this.delayMs
    this.#tcpFreeAt = Math.max(this.#tcpFreeAt, at + this.#delay())
    return this.#tcpFreeAt
  }

  #delay(): number {
    return this.spreadMs > 0 ? this.delayMs + this.#random.float() * this.spreadMs : this.delayMs
  }

  #loses(at: number): boolean {
    if (this.loss > 0 && this.#random.float() < this.loss) return true
    const { bursty } = this
    if (!bursty) return false
    while (at >= this.#stateUntil) {
      this.#bad = !this.#bad
      this.#stateUntil -= Math.log(1 - this.#random.float()) * (this.#bad ? bursty.badMs : bursty.goodMs)
    }
    return this.#random.float() < (this.#bad ? bursty.badLoss : bursty.goodLoss)
  }
}
