/**
 * For tests: a UDP relay on loopback between one prober and one reflector, that drops, doubles or changes exactly the
 * packets it is told to, so that what a measurement should say is known beforehand.
 */
import { type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'

/** What becomes of packet number `n` of one way (from 0): as many copies as returned go on. */
export type Treatment = (n: number) => number

export class LossyRelay {
  readonly #front: Socket
  readonly #back: Socket

  private constructor(front: Socket, back: Socket) {
    this.#front = front
    this.#back = back
  }

  static async start(reflectorPort: number, there: Treatment, back: Treatment): Promise<LossyRelay> {
    const relay = new LossyRelay(createSocket('udp4'), createSocket('udp4'))
    const counts = { there: 0, back: 0 }
    let prober = 0
    relay.#front.on('message', (message, from) => {
      prober = from.port
      for (let copies = there(counts.there++); copies > 0; copies--) relay.#back.send(message, reflectorPort, '127.0.0.1')
    })
    relay.#back.on('message', (message) => {
      for (let copies = back(counts.back++); copies > 0; copies--) relay.#front.send(message, prober, '127.0.0.1')
    })
    for (const socket of [relay.#front, relay.#back]) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return relay
  }

  get port(): number {
    return this.#front.address().port
  }

  stop(): void {
    this.#front.close()
    this.#back.close()
  }
}
