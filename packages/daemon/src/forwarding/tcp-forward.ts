/**
 * A TCP port of this machine behind which a service of another site is: each connection becomes one channel. A client whose
 * connection cannot be made is reset, since TCP has already greeted it; why is told as an event.
 */
import { type Server, type Socket, createServer } from 'node:net'
import type { ForwardView } from '@causeway/protocol'
import { type HostPort, formatHostPort } from '../host-port.ts'
import { type Destination, formatDestination } from './destination.ts'
import { FailureNote, type Forward } from './forward.ts'
import { listenTcp } from './listen-socket.ts'
import { OpenConnections } from './open-connections.ts'
import type { ServiceConnector } from './service-connector.ts'
import type { ForwardSetting } from './settings.ts'
import type { SparingReports } from './sparing-reports.ts'
import { type TrafficCounts, noTraffic } from './traffic.ts'

export class TcpForward implements Forward {
  readonly counts: TrafficCounts = noTraffic()
  readonly #server: Server
  readonly #reports: SparingReports
  readonly #failures = new FailureNote()
  readonly #connections: OpenConnections
  #listen: HostPort
  #to: Destination

  private constructor({ listen, to }: ForwardSetting, connector: ServiceConnector, reports: SparingReports) {
    this.#listen = listen
    this.#to = to
    this.#reports = reports
    this.#connections = new OpenConnections(connector, this.counts)
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => void this.#accept(socket))
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(setting: ForwardSetting, connector: ServiceConnector, reports: SparingReports): Promise<TcpForward> {
    const forward = new TcpForward(setting, connector, reports)
    forward.#server.on('error', (error) => void forward.#failures.note(error))
    forward.#listen = await listenTcp(forward.#server, setting.listen, 'the forward')
    return forward
  }

  get id(): string {
    return `tcp:${formatHostPort(this.#listen)}`
  }

  /** Where connections lead from now on. */
  retarget({ to }: ForwardSetting): void {
    this.#to = to
  }

  view(): Omit<ForwardView, 'origin'> {
    return {
      id: this.id,
      listen: formatHostPort(this.#listen),
      to: formatDestination(this.#to),
      protocol: 'tcp',
      class: 'ordered',
      idleSeconds: null,
      ...this.counts,
      lastFailure: this.#failures.last,
    }
  }

  close(): void {
    this.#server.close()
  }

  reset(reason: string): void {
    this.#connections.reset(reason)
  }

  async #accept(socket: Socket): Promise<void> {
    const to = this.#to
    // Each of its users listens for faults, but nobody between them.
    socket.on('error', () => {})
    try {
      const splice = await this.#connections.connect(socket, to)
      splice?.join(socket)
    } catch (error) {
      const reason = this.#failures.note(error)
      this.#reports.tell('forward-failed', this.id, { forward: this.id, to: formatDestination(to), reason })
      socket.resetAndDestroy()
    }
  }
}
