/** What sockets do in the world: stall, reset, talk nonsense. Any unhandled rejection or error fails the run. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS, type NetworkInput, type StreamKey, frameHeaderBytes, nodeId, writeFrameHeader } from '@causeway/protocol'
import { createTransportHost, listenPort } from './libp2p-host.ts'
import { Libp2pNetwork } from './libp2p-network.ts'
import { Pulse } from './pulse.ts'

const AUTHORITY_KEY = new Uint8Array(32).fill(7)
const LOOPBACK = { host: '127.0.0.1', port: 0 }

interface Node {
  readonly network: Libp2pNetwork
  readonly inputs: NetworkInput[]
  readonly unreachable: string[]
}

async function startNode(): Promise<Node> {
  const privateKey = await generateKeyPair('Ed25519')
  const inputs: NetworkInput[] = []
  const unreachable: string[] = []
  const network = await Libp2pNetwork.start({
    privateKey: privateKey.raw,
    authorityKey: AUTHORITY_KEY,
    listen: { tcp: LOOPBACK, udp: null, stream: LOOPBACK },
    limits: LIMITS,
    pulse: new Pulse(),
    onInput: (input) => inputs.push(input),
    onStreamUnreachable: (address) => unreachable.push(address),
  })
  return { network, inputs, unreachable }
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 10_000, interval: 5 })
}

/** A TCP relay in front of a node, that can be told to stop passing bytes on, or to reset both ends. */
class Relay {
  readonly #server: Server
  readonly sockets: Socket[] = []
  /** That came from the side that dialled. */
  bytes = 0
  /** May change what passes on the way there. */
  change: (chunk: Buffer) => void = () => {}

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
      near.on('data', (chunk) => {
        relay.bytes += chunk.length
        relay.change(chunk)
      })
      near.pipe(far)
      far.pipe(near)
      near.once('close', () => far.destroy())
      far.once('close', () => near.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return relay
  }
  get address(): string {
    return `127.0.0.1:${this.port}`
  }
  stall(): void {
    for (const socket of this.sockets) {
      socket.unpipe()
      socket.pause()
    }
  }
  /** After `stall`. */
  goOn(): void {
    const [near, far] = this.sockets
    if (near && far) near.pipe(far).pipe(near)
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port
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

describe('the stream lane among faults', () => {
  let a: Node
  let b: Node
  /** In front of all that `b` listens on. */
  let front: Relay
  /** In front of its stream port. */
  let relay: Relay
  beforeEach(async () => {
    a = await startNode()
    b = await startNode()
    front = await Relay.start(b.network.addresses.tcp)
    relay = await Relay.start(b.network.addresses.stream ?? '')
  })
  afterEach(async () => {
    front.stop()
    relay.stop()
    await Promise.all([a.network.stop(), b.network.stop()])
  })

  function streamKeyOf(node: Node): StreamKey {
    const [first] = node.inputs
    if (first?.type !== 'connected' || !first.stream) throw new Error('not connected')
    return first.stream
  }

  /** Connected, with the lanes opened; the socket of `a` goes to `port`. */
  async function open(port = relay.port): Promise<void> {
    a.network.apply({ type: 'dial', address: front.address })
    await waitFor(() => a.inputs.length === 1 && b.inputs.length === 1, 'connected')
    a.network.apply({ type: 'openLanes', connection: 1, datagram: null, stream: { ...streamKeyOf(b), port } })
    b.network.apply({ type: 'openLanes', connection: 1, datagram: null, stream: streamKeyOf(a) })
  }

  /** A frame, of a body that is not sealed, with a number in it. */
  function send(from: Node, number: number, bytes = 5_000): void {
    const message = new Uint8Array(bytes)
    writeFrameHeader(message, { source: nodeId('a'), route: [nodeId('b')] })
    new DataView(message.buffer).setUint32(frameHeaderBytes(1), number)
    from.network.apply({ type: 'send', connection: 1, lane: 'stream', message })
  }

  function received(by: Node): number[] {
    return by.inputs.flatMap((input) =>
      input.type === 'received' && input.lane === 'stream' ? input.messages.map((message) => Buffer.from(message).readUInt32BE(16)) : [],
    )
  }

  /** Sends until so much has passed on the socket. */
  async function useSocket(): Promise<number> {
    let number = 0
    const before = relay.bytes
    await waitFor(() => {
      send(a, ++number)
      return relay.bytes > before + 20_000
    }, 'traffic on the socket')
    await waitFor(() => received(b).at(-1) === number, 'all of it')
    return number
  }

  it('moves to a socket of its own, and back and forth when that dies', async () => {
    await open()
    const last = await useSocket()
    expect(received(b)).toEqual(Array.from({ length: last }, (_, index) => index + 1))
    const dials = relay.sockets.length
    relay.reset()
    let number = last
    await waitFor(() => {
      send(a, ++number)
      send(b, number)
      return relay.sockets.length > dials
    }, 'another socket')
    const before = relay.bytes
    await waitFor(() => {
      send(a, ++number)
      send(b, number)
      return relay.bytes > before + 20_000
    }, 'traffic on it')
    await waitFor(() => received(a).at(-1) === number && received(b).at(-1) === number, 'the last message, both ways')
    for (const node of [a, b]) {
      expect(received(node), 'in order, none twice').toEqual([...new Set(received(node))].toSorted((one, other) => one - other))
      expect(node.inputs.filter((input) => input.type === 'disconnected')).toEqual([])
      expect(node.unreachable).toEqual([])
    }
  })

  it('holds what comes on the socket until what was sent before over the connection has come', async () => {
    a.network.apply({ type: 'dial', address: front.address })
    await waitFor(() => a.inputs.length === 1 && b.inputs.length === 1, 'connected')
    front.stall()
    for (const number of [1, 2, 3]) send(a, number)
    await open()
    let number = 3
    await waitFor(() => {
      send(a, ++number)
      return relay.bytes > 50_000
    }, 'traffic on the socket')
    expect(received(b)).toEqual([])
    front.goOn()
    await waitFor(() => received(b).length === number, 'all messages')
    expect(received(b)).toEqual(Array.from({ length: number }, (_, index) => index + 1))
  })

  it('falls back when somebody changes a head, and goes on when somebody changes a body', async () => {
    await open()
    const last = await useSocket()
    relay.change = (chunk) => {
      if (chunk.length > 3_000) chunk[chunk.length - 1] = 1
    }
    send(a, last + 1)
    await waitFor(() => received(b).at(-1) === last + 1, 'a changed body')
    expect(b.inputs.at(-1)).toMatchObject({ messages: [expect.toSatisfy((message: Uint8Array) => message.at(-1) === 1)] })
    relay.change = (chunk) => {
      chunk[10] = (chunk[10] ?? 0) ^ 1
    }
    let number = last + 1
    await waitFor(() => {
      send(a, ++number)
      return b.network.droppedStreams?.forged === 1
    }, 'a forgery found')
    const forged = number
    await waitFor(() => {
      send(a, ++number)
      return (received(b).at(-1) ?? 0) > forged
    }, 'messages again')
    expect(a.inputs.some((input) => input.type === 'disconnected')).toBe(false)
  })

  it('says once that the port of the peer is closed', async () => {
    await open()
    await useSocket()
    const dead = relay.address
    relay.stop()
    let number = 1_000
    await waitFor(() => {
      send(a, ++number)
      return a.unreachable.length > 0
    }, 'word of it')
    await waitFor(() => received(b).at(-1) === number, 'messages over the connection')
    expect(a.unreachable).toEqual([dead])
  })

  it('lets strangers and thieves of a token have nothing but a closed socket', async () => {
    await open()
    const last = await useSocket()
    const { port } = streamKeyOf(b)
    const { token } = streamKeyOf(b)
    const openings = [randomBytes(32), randomBytes(500), Buffer.concat([token, randomBytes(60)]), Buffer.concat([token, randomBytes(16)])]
    const thieves = openings.map((opening) => {
      const thief = connect(port, '127.0.0.1', () => thief.write(opening))
      thief.on('error', () => {})
      // It answers whatever it is told with nonsense.
      thief.on('data', () => thief.write(randomBytes(400_000)))
      return new Promise((resolve) => thief.once('close', resolve))
    })
    await Promise.all(thieves)
    expect(b.network.droppedStreams).toEqual({ unknown: 3, forged: 1, malformed: 0 })
    const before = relay.bytes
    send(a, last + 1)
    await waitFor(() => received(b).at(-1) === last + 1, 'a message on the socket that stood')
    expect(relay.bytes).toBeGreaterThan(before)
  })

  it('is reset with its connection, though much is queued and the peer reads nothing', async () => {
    await open()
    await useSocket()
    relay.stall()
    for (let number = 0; number < 300; number++) send(a, number, 60_000)
    await waitFor(() => a.inputs.some((input) => input.type === 'laneBlocked'), 'blocked')
    const near = relay.sockets.find((socket) => socket.remotePort !== undefined)
    const ended = new Promise((resolve) => near?.once('close', resolve))
    a.network.apply({ type: 'close', connection: 1, reason: 'stalled' })
    near?.resume()
    await ended
  })
})

describe('a hub', () => {
  it('takes 200 gateways that dial it at once, behind 1,000 strangers that stop in the middle of what they say, and resets none', async () => {
    const hub = await startNode()
    const port = Number(hub.network.addresses.tcp.split(':')[1])
    const said = ['', '\x13/multistream/1.0.0\n', '\x13/multistream/1.0.0\n\x07/noise\n']
    const strangers = Array.from({ length: 1_000 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await Promise.all(strangers.map((socket) => new Promise((connected) => socket.once('connect', connected))))
    for (const [index, socket] of strangers.entries()) socket.write(said[index % said.length]!)
    const gateways = await Promise.all(Array.from({ length: 200 }, startNode))
    for (const { network } of gateways) network.apply({ type: 'dial', address: hub.network.addresses.tcp })
    await vi.waitFor(() => expect(gateways.every(({ inputs }) => inputs.length > 0)).toBe(true), { timeout: 40_000, interval: 50 })
    await waitFor(() => hub.inputs.length >= gateways.length, 'the last ones, at the hub')
    for (const { inputs } of [hub, ...gateways]) expect(new Set(inputs.map((input) => input.type))).toEqual(new Set(['connected']))
    await Promise.all([hub, ...gateways].map(({ network }) => network.stop()))
    for (const socket of strangers) socket.destroy()
  }, 90_000)
})

describe('a node of before there were knocks', () => {
  it('is taken, and dialled', async () => {
    const [old, node] = [await createTransportHost(await generateKeyPair('Ed25519'), LOOPBACK), await startNode()]
    for (const lane of ['control', 'stream']) await old.handle(`/causeway/${lane}/1`, () => {})
    node.network.apply({ type: 'dial', address: `127.0.0.1:${listenPort(old)}` })
    await waitFor(() => node.inputs.length === 1, 'dialled')
    const connection = await old.dial(multiaddr(`/ip4/127.0.0.1/tcp/${node.network.addresses.tcp.split(':')[1]}`), { force: true })
    for (const lane of ['control', 'stream']) await connection.newStream(`/causeway/${lane}/1`)
    await waitFor(() => node.inputs.length === 2, 'taken')
    expect(node.inputs.map((input) => input.type)).toEqual(['connected', 'connected'])
    await Promise.all([old.stop(), node.network.stop()])
  })
})
