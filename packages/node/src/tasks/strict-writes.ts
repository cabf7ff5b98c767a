/**
 * Strict writes of local programs, on their way to the hub that grants: it compares them, makes them, and says what came of it.
 *
 *  1. Each is answered once, within 5 s, and sent at most once: if the answer is lost nobody here knows what came of it, and
 *     that is what is told. A second sending could not tell its own first from somebody else's write.
 *  2. While cut off each is refused at once, and nothing is written.
 */
import { Deadlines, type Instant, type Refusal, type StrictOutcome, type StrictWrite, after } from '@causeway/protocol'
import type { AllocatorPlace } from '../task-contract.ts'
import type { StrictAuthority, TaskHost } from './task-host.ts'
import { refusal } from './task-update.ts'

const ANSWER_MS = 5_000

type Done = (now: Instant, result: StrictOutcome) => void

export interface StrictWays {
  /** This node itself grants. */
  readonly authority: () => StrictAuthority | undefined
  /** Sends to the hub that grants. False if there is nobody to ask. */
  readonly ask: (now: Instant, number: number, write: StrictWrite) => boolean
}

const NOBODY: Refusal = refusal(
  'refused',
  'a strict write is granted by the hub that grants leases, and this network has none',
  'Set `leases` in the config of every node, or write without strict.',
)
function cutOff(place: AllocatorPlace): Refusal {
  const what = `${granterOf(place)} cannot be reached from here: nothing was written`
  return refusal('unreachable', what, 'Try again when it can be reached; see `causeway status`.')
}

function unanswered(place: AllocatorPlace): Refusal {
  const what = `${granterOf(place)} has not answered: nobody here knows whether this one was made`
  return refusal('unreachable', what, 'Read the record before you write it again.')
}

function granterOf(place: AllocatorPlace): string {
  return place.engine === 'embedded' ? `${place.hub}, which grants strict writes as \`leases\` says,` : 'a hub that grants strict writes'
}

export class StrictWrites {
  readonly #host: TaskHost
  readonly #ways: StrictWays
  readonly #waiting = new Map<number, Done>()
  readonly #deadlines = new Deadlines<number>()
  #number: number

  constructor(host: TaskHost, ways: StrictWays) {
    this.#host = host
    this.#ways = ways
    // An answer to an earlier life of this node is none to this one.
    this.#number = host.random.uint32()
  }

  write(now: Instant, write: StrictWrite, done: Done): void {
    if (this.#host.place.engine === 'none') return done(now, NOBODY)
    const authority = this.#ways.authority()
    if (authority) return authority.write(now, this.#host.credential, write, done)
    const number = ++this.#number
    if (this.#host.cutOff() || !this.#ways.ask(now, number, write)) return done(now, cutOff(this.#host.place))
    this.#waiting.set(number, done)
    this.#deadlines.set(number, after(now, ANSWER_MS))
  }

  answered(now: Instant, number: number, result: StrictOutcome): void {
    const done = this.#waiting.get(number)
    this.#waiting.delete(number)
    this.#deadlines.set(number, undefined)
    done?.(now, result)
  }

  /** The line to the hub has ended, and with it what was said on it. */
  lost(now: Instant): void {
    for (const number of this.#waiting.keys()) this.answered(now, number, unanswered(this.#host.place))
  }

  wake(now: Instant): void {
    for (const number of this.#deadlines.due(now)) this.answered(now, number, unanswered(this.#host.place))
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }
}
