/**
 * Probes whatever listens on a TCP port, by the time that a connection takes to be accepted: one round trip, and no
 * word is said. A refusal proves the host but not the service, so it counts as lost, with its reason.
 */
import { type Socket, connect } from 'node:net'
import { instant } from '@causeway/protocol'
import { ProbeTally } from '@causeway/probe/probe-tool'
import type { HostPort } from '../host-port.ts'
import { networkFault } from './network-fault.ts'
import type { ProbePlan, Prober } from './prober.ts'
import { type ResolvedHost, resolveHost } from './resolve-host.ts'
import { followSchedule, waitForStragglers } from './schedule.ts'

/** DSCP is the upper six bits of the type of service. */
const DSCP_SHIFT = 2

export class TcpProber implements Prober {
  readonly tally: ProbeTally
  readonly #where: HostPort
  readonly #plan: ProbePlan
  readonly #open = new Set<Socket>()

  constructor(target: string, where: HostPort, plan: ProbePlan) {
    this.#where = where
    this.#plan = plan
    this.tally = new ProbeTally({ target, timeoutMs: plan.timeoutMs })
  }

  async run(signal: AbortSignal): Promise<void> {
    const host = await resolveHost(this.#where.host)
    try {
      await followSchedule(this.#plan, signal, () => this.#connect(host))
      await waitForStragglers(this.tally, signal)
    } finally {
      for (const socket of this.#open) socket.destroy()
    }
  }

  #connect({ address, family }: ResolvedHost): void {
    const { dscp, timeoutMs } = this.#plan
    const service = dscp === null ? {} : { typeOfService: dscp << DSCP_SHIFT }
    const index = this.tally.packetSent(instant(performance.now()))
    const socket = connect({ host: address, family, port: this.#where.port, noDelay: true, ...service })
    this.#open.add(socket)
    socket.setTimeout(timeoutMs, () => socket.destroy())
    socket.once('connect', () => {
      this.tally.answered(instant(performance.now()), { index, numbers: null })
      socket.destroy()
    })
    socket.once('error', (error) => this.tally.failed(index, networkFault(error)))
    socket.once('close', () => this.#open.delete(socket))
  }
}
