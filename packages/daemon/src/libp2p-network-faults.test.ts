/** What sockets do in the world: stall, reset, talk nonsense. Any unhandled rejection or error fails the run. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS, type NetworkInput } from '@causeway/protocol'
import { Libp2pNetwork } from './libp2p-network.ts'
import { Pulse } from './pulse.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

interface Node {
  readonly network: Libp2pNetwork
  readonly inputs: NetworkInput[]
}

async function startNode(): Promise<Node> {
  const privateKey = await generateKeyPair('Ed25519')
  const inputs: NetworkInput[] = []
  const network = await Libp2pNetwork.start({
    privateKey: privateKey.raw,
    listen: { tcp: LOOPBACK, udp: null },
    limits: LIMITS,
    pulse: new Pulse(),
    onInput: (input) => inputs.push(input),
  })
  return { network, inputs }
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 10_000, interval: 5 })
}

/** A TCP relay in front of a node, that can be told to stop passing bytes on, or to reset both ends. */
class Relay {
  readonly #server: Server
  readonly sockets: Socket[] = []

  private constructor(server: Server) {
    this.#server = server
  }
  static async start(target: string): Promise<Relay> {
    const server = createServer()
    const relay = new Relay(server)
    const [host = '', port] = target.split(':')
    server.on('connection', (near) => {
      const far = connect(Number(port), host)
      for (const socket of [near, far]) {
        relay.sockets.push(socket)
        socket.on('error', () => {})
      }
      near.pipe(far)
      far.pipe(near)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return relay
  }
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
  stall(): void {
    for (const socket of this.sockets) {
      socket.unpipe()
      socket.pause()
    }
  }
  reset(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }
  stop(): void {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
  }
}

describe('Libp2pNetwork among faults', () => {
  let a: Node
  let b: Node
  let relay: Relay
  beforeEach(async () => {
    a = await startNode()
    b = await startNode()
    relay = await Relay.start(b.network.addresses.tcp)
  })
  afterEach(async () => {
    relay.stop()
    await Promise.all([a.network.stop(), b.network.stop()])
  })

  async function connectThroughRelay(): Promise<void> {
    a.network.apply({ type: 'dial', address: relay.address })
    await waitFor(() => a.inputs.length === 1 && b.inputs.length === 1, 'connected')
  }

  it('is rid of a connection that it closes, though the peer reads nothing and much is queued', async () => {
    await connectThroughRelay()
    relay.stall()
    for (let number = 0; number < 200; number++)
      a.network.apply({ type: 'send', connection: 1, lane: 'stream', message: new Uint8Array(60_000) })
    await waitFor(() => a.inputs.some((input) => input.type === 'laneBlocked'), 'blocked')
    const near = relay.sockets[0]
    // A paused socket does not see the end; reading again shows whether it came.
    const ended = new Promise((resolve) => near?.once('close', resolve))
    a.network.apply({ type: 'send', connection: 1, lane: 'control', message: Uint8Array.of(1) })
    a.network.apply({ type: 'close', connection: 1, reason: 'stalled' })
    await waitFor(() => a.inputs.at(-1)?.type === 'disconnected', 'disconnected')
    near?.resume()
    await ended
  })

  it('reports a reset by the network on both sides', async () => {
    await connectThroughRelay()
    relay.reset()
    await waitFor(() => a.inputs.at(-1)?.type === 'disconnected' && b.inputs.at(-1)?.type === 'disconnected', 'disconnected')
  })

  it('survives resets at every stage of a dial', async () => {
    for (let round = 0; round < 12; round++) {
      const before = a.inputs.length
      a.network.apply({ type: 'dial', address: relay.address })
      await waitFor(() => relay.sockets.length > 0, 'a socket')
      for (let turn = 0; turn < round * 3; turn++) await new Promise(setImmediate)
      relay.reset()
      relay.sockets.length = 0
      await waitFor(() => a.inputs.length > before && a.inputs.at(-1)?.type !== 'connected', 'an end')
    }
    const kinds = a.inputs.map((input) => input.type)
    expect(kinds.filter((kind) => kind === 'dialFailed' || kind === 'connected')).toHaveLength(12)
  })

  it('survives strangers that talk nonsense, or nothing, and leave abruptly', async () => {
    const [host = '', port] = b.network.addresses.tcp.split(':')
    const strangers = Array.from({ length: 40 }, (_, number) => {
      const socket = connect(Number(port), host, () => {
        if (number % 2 === 0) socket.write(randomBytes(500))
        if (number % 4 < 2) socket.write('\x13/multistream/1.0.0\n')
        setImmediate(() => socket.resetAndDestroy())
      })
      socket.on('error', () => {})
      return new Promise((resolve) => socket.once('close', resolve))
    })
    await Promise.all(strangers)
    a.network.apply({ type: 'dial', address: b.network.addresses.tcp })
    await waitFor(() => b.inputs.length === 1, 'a real peer')
    expect(b.inputs[0]?.type).toBe('connected')
  })
})
