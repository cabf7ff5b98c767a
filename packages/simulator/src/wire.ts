/**
 * One direction between two hosts: delay, jitter, loss, rate, and whatever faults lie on it. Everything that goes
 * from one host to another asks its wire whether and when it arrives.
 */
import type { Random } from '@causeway/protocol'
import type { Fault } from './fault.ts'

export interface WireConditions {
  readonly delayMs: number
  /** Mean of the exponential spread that is added to the delay. */
  readonly jitterMs: number
  /** Per packet. */
  readonly lossRatio: number
  readonly duplicateRatio: number
  /** Datagrams that are overtaken by the next ones. */
  readonly reorderRatio: number
  /** `undefined`: no limit. */
  readonly bytesPerSecond: number | undefined
}

export const PERFECT_WIRE: WireConditions = {
  delayMs: 1,
  jitterMs: 0,
  lossRatio: 0,
  duplicateRatio: 0,
  reorderRatio: 0,
  bytesPerSecond: undefined,
}

/** What a fault does to a wire as long as it lies on it. A cut is a loss of 1. */
export interface Disturbance {
  readonly fault: Fault
  readonly lossRatio: number
  readonly extraDelayMs: number
}

/** A router's buffer: what would wait longer is dropped. */
const QUEUE_MS_MAX = 200

export class Wire {
  conditions: WireConditions
  /** That got through, as the kernel would see them: without the headers of IP and TCP. */
  bytesCarried = 0
  readonly #random: Random
  readonly #disturbances = new Set<Disturbance>()
  #busyUntil = 0

  constructor(conditions: WireConditions, random: Random) {
    this.conditions = conditions
    this.#random = random
  }

  disturb(disturbance: Disturbance): void {
    this.#disturbances.add(disturbance)
  }

  release(fault: Fault): void {
    for (const each of this.#disturbances) if (each.fault === fault) this.#disturbances.delete(each)
  }

  get isCut(): boolean {
    for (const each of this.#disturbances) if (each.lossRatio >= 1) return true
    return false
  }

  /** The delay without chance: for retransmission timers. */
  get typicalDelayMs(): number {
    let delayMs = this.conditions.delayMs + this.conditions.jitterMs
    for (const each of this.#disturbances) delayMs += each.extraDelayMs
    return delayMs
  }

  /** Whether `packets` packets all get through; faults that swallow one are told. Draws nothing on a perfect wire. */
  passes(packets: number): boolean {
    for (const { fault, lossRatio } of this.#disturbances) {
      if (lossRatio > 0) fault.expected += lossRatio * packets
      if (lossRatio > 0 && this.#loses(lossRatio, packets)) {
        fault.dropped++
        return false
      }
    }
    return this.conditions.lossRatio === 0 || !this.#loses(this.conditions.lossRatio, packets)
  }

  /** When `bytes` bytes sent at `now` arrive at the other end. */
  arrival(now: number, bytes: number): number {
    this.bytesCarried += bytes
    let at = now + this.conditions.delayMs + this.#occupy(now, bytes)
    if (this.conditions.jitterMs > 0) at -= this.conditions.jitterMs * Math.log(1 - this.#random.float())
    for (const { fault, extraDelayMs } of this.#disturbances) {
      if (extraDelayMs > 0) fault.dropped++
      at += extraDelayMs
    }
    return at
  }

  /** When the copies of a datagram arrive: none, one or two. */
  datagramArrivals(now: number, bytes: number): number[] {
    const { duplicateRatio, reorderRatio, bytesPerSecond } = this.conditions
    if (!this.passes(1)) return []
    if (bytesPerSecond !== undefined && this.#busyUntil - now > QUEUE_MS_MAX) return []
    const arrivals = [this.arrival(now, bytes)]
    if (duplicateRatio > 0 && this.#random.float() < duplicateRatio) arrivals.push(this.arrival(now, bytes))
    if (reorderRatio === 0) return arrivals
    return arrivals.map((at) =>
      this.#random.float() < reorderRatio ? at + 2 + this.#random.float() * 3 * (this.conditions.jitterMs + 1) : at,
    )
  }

  #loses(ratio: number, packets: number): boolean {
    return ratio >= 1 || this.#random.float() < 1 - (1 - ratio) ** packets
  }

  /** How long until the last byte has left, behind what is already waiting. */
  #occupy(now: number, bytes: number): number {
    const { bytesPerSecond } = this.conditions
    if (bytesPerSecond === undefined) return 0
    this.#busyUntil = Math.max(now, this.#busyUntil) + (bytes / bytesPerSecond) * 1000
    return this.#busyUntil - now
  }
}
