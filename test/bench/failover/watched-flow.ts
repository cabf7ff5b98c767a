/** The flow of a carrier in its lab, from the first message to the last: what it does, and over which links it goes. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../netlab/lab.ts'
import { FlowEnd } from '../flow/flow-end.ts'
import { monotonicMs } from '../flow/flow-talk.ts'
import { type Carriage, type Carrier } from './carrier.ts'
import { FlowRecord } from './flow-record.ts'
import { isEnd } from './topology.ts'

export const INTERVAL_MS = 10
export const MESSAGE_BYTES = 200
const FLOW = 'small'
/** A flow has recovered when it has been at its full rate for so long, */
const FULL_MS = 1_500
/** but for so many messages in a hundred. */
const FULL_SHARE = 0.97
/** The newest message that has come was sent at most so long ago: there is no backlog. */
const FRESH_MS = 300
const POLL_MS = 100
/** The flow must go over the same links for so many looks. */
const STILL_LOOKS = 3
const LOOK_MS = 700
const STEADY_MS_MAX = 120_000

/** A place on the path in use: `first` the sender's link, `last` the receiver's, `middle` between two hubs. */
export type Place = 'first' | 'middle' | 'last'

export class WatchedFlow {
  readonly record: FlowRecord = new FlowRecord()
  readonly #lab: Lab
  readonly #a: FlowEnd
  readonly #b: FlowEnd

  static async start(lab: Lab, carriage: Carriage, directory: string): Promise<WatchedFlow> {
    // Both at once: some media, such as a channel between two daemons, need both to be there.
    const [a, b] = await Promise.all([FlowEnd.start(lab, 'a', carriage.a, directory), FlowEnd.start(lab, 'b', carriage.b, directory)])
    await b.order({ order: 'open', flow: FLOW })
    await carriage.ready?.()
    await a.order({ order: 'open', flow: FLOW })
    await a.order({ order: 'pace', flow: FLOW, intervalMs: INTERVAL_MS, bytes: MESSAGE_BYTES })
    return new WatchedFlow(lab, a, b)
  }

  private constructor(lab: Lab, a: FlowEnd, b: FlowEnd) {
    this.#lab = lab
    this.#a = a
    this.#b = b
  }

  /** Waits until the flow runs at its full rate, over links that do not change. Throws if it never does. */
  async steady({ waits }: Carrier): Promise<void> {
    const until = monotonicMs() + STEADY_MS_MAX
    const seen: string[] = []
    while (monotonicMs() < until) {
      const links = await this.#busiest(LOOK_MS)
      await this.look()
      if (!this.#isFull()) seen.length = 0
      else seen.push(`${links.first} ${links.last}`)
      const last = seen.slice(-STILL_LOOKS)
      if (last.length === STILL_LOOKS && (waits === true || new Set(last).size === 1)) return
    }
    throw new Error(`the flow did not run steadily within ${STEADY_MS_MAX / 1000} s`)
  }

  /** The link at a place of the path in use, as the lab names it with its direction: `a:h1`. */
  async linkAt(place: Place): Promise<string> {
    return (await this.#busiest(LOOK_MS))[place]
  }

  /** Waits until the flow has recovered from what was done to it, at most so long; says whether it has. */
  async recovers(faultAt: number, withinMs: number, leastMs: number): Promise<boolean> {
    while (monotonicMs() < faultAt + withinMs) {
      await pause(POLL_MS)
      await this.look()
      if (monotonicMs() >= faultAt + leastMs && this.#isFull() && this.record.newestSentAt > faultAt) return true
    }
    return false
  }

  async look(): Promise<void> {
    this.record.addSent(await this.#a.take(FLOW))
    this.record.addArrivals(await this.#b.take(FLOW))
  }

  /** Sends no more, and takes in what is still under way. */
  async stop(drainMs: number): Promise<void> {
    await this.#a.order({ order: 'stop', flow: FLOW })
    await pause(drainMs)
    await this.look()
    await this.end()
  }

  async end(): Promise<void> {
    await Promise.all([this.#a.stop(), this.#b.stop()])
  }

  #isFull(): boolean {
    const now = monotonicMs()
    const least = (FULL_SHARE * FULL_MS) / INTERVAL_MS
    return this.record.arrivedBetween(now - FULL_MS - FRESH_MS, now) >= least && this.record.newestSentAt > now - FRESH_MS
  }

  /** Of each place the direction that carried the most, over so long. */
  async #busiest(ms: number): Promise<Record<Place, string>> {
    const before = await this.#lab.carried()
    await pause(ms)
    const bytes = [...(await this.#lab.carried())].map(([direction, sum]) => [direction, sum - (before.get(direction) ?? 0)] as const)
    const most = (fits: (from: string, to: string) => boolean): string =>
      bytes.filter(([direction]) => fits(...endsOf(direction))).reduce((a, b) => (b[1] > a[1] ? b : a), ['', -1] as const)[0]
    return {
      first: most((from) => from === 'a'),
      middle: most((from, to) => !isEnd(from) && !isEnd(to)),
      last: most((_, to) => to === 'b'),
    }
  }
}

/** From and to of `a:h1`. */
export function endsOf(direction: string): [string, string] {
  const [from = '', to = ''] = direction.split(':')
  return [from, to]
}

/** Both directions: `a-h1`, as the lab names the link; it was made with the end or the lower hub first. */
export function linkOf(direction: string): string {
  const [from, to] = endsOf(direction)
  return (isEnd(to) || (!isEnd(from) && to < from) ? [to, from] : [from, to]).join('-')
}
