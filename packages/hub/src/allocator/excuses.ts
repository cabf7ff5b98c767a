/**
 * What waiting tasks are told of why they wait. Every saying is a record that goes to all hubs and to the site, and a node that
 * is silent for a moment changes the reason of thousands: so numbers alone are no news, and only so many are told in a second.
 * The others hear of it when they are looked at again; `task why` always tells what is so.
 */
import { type Instant, after, instant } from '@causeway/protocol'

const PER_SECOND_MAX = 100

export class Excuses {
  #since = instant(0)
  #left = PER_SECOND_MAX

  /** The reason that is to be told; `undefined`: none, for now. */
  news(now: Instant, told: string, reason: () => string): string | undefined {
    if (now >= after(this.#since, 1_000)) {
      this.#since = now
      this.#left = PER_SECOND_MAX
    }
    if (this.#left === 0) return undefined
    const present = reason()
    if (numberless(told) === numberless(present)) return undefined
    this.#left -= 1
    return present
  }
}

function numberless(reason: string): string {
  return reason.replace(/\d+(?:\.\d+)?/g, 'n')
}
