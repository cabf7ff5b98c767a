/**
 * Probes a node of the network, end to end over the mesh: the local daemon pings it over a channel. The daemon sends
 * by the same schedule that is kept here; what a channel resends by itself shows as delay, and what is not answered
 * within the timeout as lost.
 */
import type { Causeway } from '@causeway/client'
import { type PingReply, instant } from '@causeway/protocol'
import { followSchedule, type ProbePlan, type Prober, ProbeTally, waitForStragglers } from '@causeway/daemon/probing'

const COUNT_MAX = 1_000_000
const BYTES = 64

export class NodeProber implements Prober {
  readonly tally: ProbeTally
  readonly #causeway: Causeway
  readonly #plan: ProbePlan
  #due = 0
  #sent = 0

  constructor(name: string, causeway: Causeway, plan: ProbePlan) {
    this.#causeway = causeway
    this.#plan = { ...plan, count: Math.min(COUNT_MAX, plan.count ?? COUNT_MAX) }
    this.tally = new ProbeTally({ target: name, timeoutMs: plan.timeoutMs })
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    // A ping that ends early, because it cannot be made or the daemon goes away, ends the schedule too.
    const pings = this.#ping(stop.signal).finally(() => stop.abort())
    const schedule = this.#follow(AbortSignal.any([signal, stop.signal])).finally(() => stop.abort())
    await Promise.all([pings, schedule])
  }

  async #follow(signal: AbortSignal): Promise<void> {
    await followSchedule(this.#plan, signal, () => this.#sentUpTo(++this.#due))
    await waitForStragglers(this.tally, signal)
  }

  async #ping(signal: AbortSignal): Promise<void> {
    const { count, intervalMs, durationMs, bytes } = this.#plan
    const inTime = durationMs === null ? COUNT_MAX : Math.max(1, Math.ceil(durationMs / intervalMs))
    const order = { count: Math.min(count ?? COUNT_MAX, inTime), intervalMs, bytes: bytes ?? BYTES, signal }
    for await (const reply of this.#causeway.ping(this.tally.target, order)) this.#answered(reply)
  }

  #answered({ sequence, rttMs, remoteCount, sentAt, remoteAt, arrivedAt }: PingReply): void {
    // The daemon's clock may be ahead of the schedule here by a moment.
    this.#sentUpTo(sequence + 1)
    this.tally.answered(instant(performance.now()), {
      index: sequence,
      rttMs,
      numbers: { sequence, reflectorSequence: remoteCount - 1 },
      ...(remoteAt !== null && { times: { sentAt, receivedAt: remoteAt, transmittedAt: remoteAt, arrivedAt } }),
    })
  }

  #sentUpTo(count: number): void {
    for (; this.#sent < count; this.#sent++) this.tally.packetSent(instant(performance.now()))
  }
}
