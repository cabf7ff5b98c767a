/**
 * How many shake hands with us at a time. When a hub comes back, all its gateways do at once; were all served side by
 * side, each would take as long as all of them together, which is longer than anybody waits: they would give up nearly served,
 * come again, and so on for ever. One behind the other, the first are through before they lose patience.
 *
 *  1. No more than `atOnce` are inside that have come within the last `TURN_MS`: who says nothing keeps nobody out for longer.
 *  2. First come, first served; who has gone away while waiting is passed over.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import { remoteOf } from './libp2p-host.ts'

const TURN_MS = 2_000

export interface HandshakeQueueLimits {
  readonly atOnce: number
  /** Between one and the next that is let in, at the least. @default 0 */
  readonly everyMs?: number
}

type Waiting = Pick<MultiaddrConnection, 'remoteAddr' | 'status' | 'addEventListener'>

export class HandshakeQueue {
  readonly #atOnce: number
  readonly #everyMs: number
  /** By address and port of the peer: when its turn ends, whatever it has come to. */
  readonly #inside = new Map<string, NodeJS.Timeout>()
  readonly #waiting: { readonly connection: Waiting; readonly enter: (here: boolean) => void }[] = []
  /** Until the next may come in. */
  #pause: NodeJS.Timeout | undefined

  constructor({ atOnce, everyMs = 0 }: HandshakeQueueLimits) {
    this.#atOnce = atOnce
    this.#everyMs = everyMs
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when its turn begins; with `false` if it is gone by then. */
  enter(connection: Waiting): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    connection.addEventListener('close', () => this.leave(remoteOf(connection)))
    this.#waiting.push({ connection, enter: resolve })
    this.#next()
    return promise
  }

  /** Its handshake is done, or it is gone. Does nothing if its turn is over. */
  leave(remote: string): void {
    clearTimeout(this.#inside.get(remote))
    if (this.#inside.delete(remote)) this.#next()
  }

  #next(): void {
    while (this.#inside.size < this.#atOnce && !this.#pause) {
      const first = this.#waiting.shift()
      if (!first) return
      const here = first.connection.status === 'open'
      const remote = remoteOf(first.connection)
      if (here) {
        this.#inside.set(remote, setTimeout(() => this.leave(remote), TURN_MS).unref())
        if (this.#everyMs > 0) this.#rest()
      }
      first.enter(here)
    }
  }

  #rest(): void {
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#next()
    }, this.#everyMs).unref()
  }
}
