/**
 * One emulated wide-area link, in one dialling direction: a port on loopback, TCP and UDP, behind which the target
 * seems to be `delayMs` away. Everything passes in user space, so it needs no rights and works on any system.
 */
import { bindLoopbackPort, type LoopbackPort } from './loopback-port.ts'
import { TcpPipe } from './tcp-pipe.ts'
import { UdpRelay } from './udp-relay.ts'

export interface LinkSpec {
  /** The node that dials. */
  readonly from: string
  /** The node that listens, on `targetPort`. */
  readonly to: string
  readonly targetPort: number
  /** One way, the same in both directions. */
  readonly delayMs: number
}

export interface LinkTraffic {
  readonly from: string
  readonly to: string
  /** Payload of TCP and UDP that each end has sent into the link. */
  readonly forwardBytes: number
  readonly backwardBytes: number
  /** Chunks and datagrams that met a cut: proof that the cut did something. */
  readonly swallowed: number
}

export class EmulatedLink {
  readonly spec: LinkSpec
  readonly #port: LoopbackPort
  readonly #pipes = new Set<TcpPipe>()
  readonly #relay: UdpRelay
  readonly #bytes = { forward: 0, backward: 0 }
  #swallowed = 0
  #cut = false

  static async open(spec: LinkSpec): Promise<EmulatedLink> {
    return new EmulatedLink(spec, await bindLoopbackPort())
  }

  private constructor(spec: LinkSpec, port: LoopbackPort) {
    this.spec = spec
    this.#port = port
    const { targetPort, delayMs } = spec
    const onBytes = (direction: 'forward' | 'backward', bytes: number): void => {
      this.#bytes[direction] += bytes
      if (this.#cut) this.#swallowed++
    }
    port.tcp.on('connection', (client) => {
      const onClose = (pipe: TcpPipe): void => void this.#pipes.delete(pipe)
      this.#pipes.add(new TcpPipe(client, { targetPort, delayMs, cut: this.#cut, onBytes, onClose }))
    })
    this.#relay = new UdpRelay(port.udp, { targetPort, delayMs, isCut: () => this.#cut, onBytes })
  }

  get port(): number {
    return this.#port.port
  }

  cut(): void {
    this.#cut = true
    for (const pipe of this.#pipes) pipe.hold()
  }

  heal(): void {
    this.#cut = false
    for (const pipe of this.#pipes) pipe.release()
  }

  traffic(): LinkTraffic {
    const { forward, backward } = this.#bytes
    return { from: this.spec.from, to: this.spec.to, forwardBytes: forward, backwardBytes: backward, swallowed: this.#swallowed }
  }

  close(): void {
    this.#port.tcp.close()
    for (const pipe of this.#pipes) pipe.destroy()
    this.#relay.destroy()
  }
}
