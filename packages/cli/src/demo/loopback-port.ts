/**
 * Ports on loopback whose number is free for TCP and UDP alike, because a node's datagram lane uses the number that
 * was dialled for its control lane.
 *
 * Numbers are drawn below the range that systems hand out for outgoing connections (32768 up), so that a port which
 * is let go, for a node to take, is not taken by some connection in between; also not while that node is down.
 */
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'

const FIRST = 15_000
const LAST = 32_000
const TRIES = 200

export interface LoopbackPort {
  readonly port: number
  readonly tcp: Server
  readonly udp: Socket
}

/** Binds both; the caller closes them, or serves on them. */
export async function bindLoopbackPort(): Promise<LoopbackPort> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const tcp = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: false })
    const udp = createSocket('udp4')
    if ((await listens(tcp, port)) && (await binds(udp, port))) return { port, tcp, udp }
    tcp.close()
    udp.close()
  }
  throw new Error(`found no port of loopback free for TCP and UDP in ${TRIES} tries`)
}

/**
 * Ports that are held bound until the moment their user starts, so that nobody draws them meanwhile: neither this
 * demo's emulator nor another demo.
 */
export class ReservedPorts {
  readonly #bound = new Map<number, LoopbackPort>()

  static async reserve(count: number): Promise<ReservedPorts> {
    const reserved = new ReservedPorts()
    while (reserved.#bound.size < count) {
      const bound = await bindLoopbackPort()
      // A node may dial another that has not started: a connection that stays would keep the port from being let go.
      bound.tcp.on('connection', (socket) => socket.destroy())
      reserved.#bound.set(bound.port, bound)
    }
    return reserved
  }

  get ports(): readonly number[] {
    return [...this.#bound.keys()]
  }

  /** Lets a port go; does nothing if it has gone already. */
  async release(port: number): Promise<void> {
    const bound = this.#bound.get(port)
    if (!bound) return
    this.#bound.delete(port)
    await Promise.all([new Promise((done) => bound.tcp.close(done)), new Promise<void>((done) => bound.udp.close(done))])
  }

  async releaseAll(): Promise<void> {
    await Promise.all(this.ports.map((port) => this.release(port)))
  }
}

/** `count` different ports that were free for both a moment ago. */
export async function findLoopbackPorts(count: number): Promise<readonly number[]> {
  const reserved = await ReservedPorts.reserve(count)
  const { ports } = reserved
  await reserved.releaseAll()
  return ports
}

function listens(tcp: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    tcp.once('error', () => resolve(false))
    tcp.listen(port, '127.0.0.1', () => resolve(true))
  })
}

function binds(udp: Socket, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    udp.once('error', () => resolve(false))
    udp.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}
