/**
 * Two ordinary libp2p nodes that reach each other over the overlay: three hubs as processes, two sites whose daemons run
 * here. What libp2p knows of is one connection; the tests kill the relay under it. They run in order.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { yamux } from '@chainsafe/libp2p-yamux'
import { connect } from '@causeway/client'
import { type Daemon, overlayAddress, overlayTransport, startDaemon } from '@causeway/daemon'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { createLibp2p } from 'libp2p'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const EXAMPLE = fileURLToPath(new URL('../../packages/daemon/examples/overlay-ping.ts', import.meta.url))
const HUBS = ['core-1', 'core-2', 'core-3']
const NODES: readonly NodeSpec[] = [
  ...HUBS.map((name) => ({ name, role: 'hub' as const, site: name, hubs: HUBS.filter((other) => other !== name) })),
  ...['ams-1', 'hkg-1', 'fra-1', 'nrt-1'].map((site) => ({ name: `${site}-a`, role: 'edge' as const, site, hubs: HUBS })),
]

type Node = Libp2p<{ ping: Ping; identify: Identify; pubsub: GossipSub }>

const lab = new Deployment()
const daemons: Daemon[] = []
const nodes: Node[] = []

async function startNode(name: string): Promise<Node> {
  const daemon = await startDaemon(lab.path(`${name}.yaml`), {
    logLevel: 'silent',
    guardProcess: false,
    onFatal: (_exitCode, error) => {
      throw error
    },
  })
  daemons.push(daemon)
  const node = await createLibp2p({
    addresses: { listen: [overlayAddress(name).toString()] },
    transports: [overlayTransport({ programs: daemon.programs, self: name })],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 1024 * 1024 } })],
    // Room for a ping stream that stays open beside those of libp2p's own connection monitor, which would call it a fault.
    services: { ping: ping({ maxOutboundStreams: 2 }), identify: identify(), pubsub: gossipsub() },
  })
  nodes.push(node)
  return node
}

let ams: Node
let hkg: Node

/** The first relay of the path in use, once another path does without it. On a busy machine a path may lead over two. */
async function relayInUse(): Promise<string> {
  return eventually('the path leads through a hub', async () => {
    const causeway = await connect({ api: lab.path('ams-1-a.sock') })
    const { paths } = await causeway.paths('hkg-1-a')
    const [relay = '', ...rest] = paths.find(({ active }) => active)?.hops ?? []
    if (rest.length === 0 || paths.every(({ hops }) => hops.length < 2 || hops.includes(relay))) throw new Error(JSON.stringify(paths))
    return relay
  })
}

/** Kills the relay in use and returns its name. */
async function killRelay(): Promise<string> {
  const relay = await relayInUse()
  await lab.end(relay, 'SIGKILL')
  return relay
}

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  for (const name of HUBS) await lab.start(name)
  ams = await startNode('ams-1-a')
  hkg = await startNode('hkg-1-a')
})

afterAll(async () => {
  for (const node of nodes) await node.stop()
  await Promise.all(daemons.map((daemon) => daemon.stop()))
  await lab.close()
})

test('a node is dialled by its name, proves its peer id, and standard protocols run', async () => {
  const connection = await ams.dial(overlayAddress('hkg-1-a', hkg.peerId))
  expect(connection.remotePeer.equals(hkg.peerId)).toBe(true)
  expect(await ams.services.ping.ping(hkg.peerId)).toBeGreaterThanOrEqual(0)
  const seen = await ams.services.identify.identify(connection)
  expect(seen.listenAddrs.map(String)).toEqual(['/causeway/hkg-1-a'])
  expect(seen.protocols).toContain('/ipfs/ping/1.0.0')
  await expect(hkg.dial(overlayAddress('ams-1-a', hkg.peerId))).rejects.toThrow()
})

test('the relay in use is killed: every message of gossipsub arrives, a ping stream goes on, on the same connection', async () => {
  const [connection] = ams.getConnections()
  const closed: string[] = []
  for (const node of [ams, hkg]) node.addEventListener('connection:close', ({ detail }) => closed.push(detail.id))
  const heard = { ams: gather(ams, 'news'), hkg: gather(hkg, 'news') }
  for (const node of [ams, hkg]) {
    await eventually('the other subscribes', () => node.services.pubsub.getSubscribers('news').length === 1)
  }
  const pings = new PingStream((await connection?.newStream('/ipfs/ping/1.0.0')) as Stream)

  const ROUNDS = 150
  let relay = ''
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 50) relay = await killRelay()
    const news = Buffer.from(String(round))
    await Promise.all([ams.services.pubsub.publish('news', news), hkg.services.pubsub.publish('news', news)])
    pings.send(round)
    await pause(10)
  }

  const expected = Array.from({ length: ROUNDS }, (_, round) => round)
  const complete = (numbers: readonly number[]): boolean => numbers.length >= ROUNDS
  await eventually('everything has arrived', () => [heard.ams, heard.hkg, pings.echoes].every(complete))
  expect([...heard.hkg].sort((a, b) => a - b)).toEqual(expected)
  expect([...heard.ams].sort((a, b) => a - b)).toEqual(expected)
  expect(pings.echoes).toEqual(expected)
  expect(closed).toEqual([])
  expect(ams.getConnections()).toEqual([connection])
  expect(await relayInUse()).not.toBe(relay)
  await pings.close()
  await lab.start(relay)
})

test('50 MB to a slow reader, and a relay dies on the way: the same bytes, and never much on the way', async () => {
  const MB = 1_000_000
  const PIECES = 500
  const piece = Uint8Array.from({ length: MB / 10 }, (_, index) => (index * 2_654_435_761) >>> 24)
  const received = Promise.withResolvers<{ bytes: number; sha256: string }>()
  let read = 0
  await hkg.handle('/bulk/1', (stream) => {
    const hash = createHash('sha256')
    stream.addEventListener('message', ({ data }) => {
      hash.update(data.subarray())
      read += data.byteLength
      stream.pause()
      setTimeout(() => stream.readStatus === 'paused' && stream.resume(), 2)
    })
    stream.addEventListener('end', () => received.resolve({ bytes: read, sha256: hash.digest('hex') }))
  })

  const hash = createHash('sha256')
  const stream = await ams.dialProtocol(hkg.peerId, '/bulk/1')
  const broken = Promise.withResolvers<never>()
  stream.addEventListener('close', ({ error }) => error && broken.reject(error))
  let sent = 0
  let heldMax = 0
  let waits = 0
  let killing: Promise<string> | undefined
  for (let index = 0; index < PIECES; index++) {
    if (index === PIECES / 2) killing = killRelay()
    const bytes = piece.slice()
    new DataView(bytes.buffer).setUint32(0, index)
    hash.update(bytes)
    sent += bytes.length
    // Not by `onDrain`: its promise is of the first time only.
    const drained = new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }))
    if (!stream.send(bytes)) {
      waits++
      await Promise.race([drained, broken.promise])
    }
    heldMax = Math.max(heldMax, sent - read)
  }
  await stream.close()
  expect(HUBS).toContain(await killing)
  expect(await Promise.race([received.promise, broken.promise])).toEqual({ bytes: 50 * MB, sha256: hash.digest('hex') })
  expect(waits).toBeGreaterThan(10)
  // The stream's window is 1 MiB; what else is held is on the way between the layers.
  expect(heldMax).toBeLessThan(4 * MB)
})

test('the example pings from one process to another', async () => {
  const run = (...args: readonly string[]): ChildProcessByStdio<null, Readable, null> =>
    spawn(process.execPath, [EXAMPLE, ...args], { cwd: lab.directory, stdio: ['ignore', 'pipe', 'ignore'] })
  const answering = run('fra-1-a.yaml')
  const [listening] = (await once(createInterface({ input: answering.stdout }), 'line')) as [string]
  const pinging = run('nrt-1-a.yaml', 'fra-1-a', '3')
  try {
    expect(listening).toMatch(/^listening on \/causeway\/fra-1-a\/p2p\/12D3/)
    const ended = once(pinging, 'exit')
    const lines: string[] = []
    for await (const line of createInterface({ input: pinging.stdout })) lines.push(line)
    expect((await ended)[0]).toBe(0)
    expect(lines.filter((line) => /^fra-1-a answered after \d+ ms$/.test(line))).toHaveLength(3)
    const left = once(answering, 'exit')
    answering.kill('SIGINT')
    expect((await left)[0]).toBe(0)
  } finally {
    answering.kill('SIGKILL')
    pinging.kill('SIGKILL')
  }
})

/** The numbers that a node hears of a topic. */
function gather(node: Node, topic: string): number[] {
  const numbers: number[] = []
  node.services.pubsub.addEventListener('message', ({ detail }) => {
    if (detail.topic === topic) numbers.push(Number(Buffer.from(detail.data).toString()))
  })
  node.services.pubsub.subscribe(topic)
  return numbers
}

/** One stream of libp2p's ping protocol that stays open: what is sent, 32 bytes at a time, comes back. */
class PingStream {
  readonly echoes: number[] = []
  readonly #stream: Stream

  constructor(stream: Stream) {
    this.#stream = stream
    let rest = Buffer.alloc(0)
    stream.addEventListener('message', ({ data }) => {
      rest = Buffer.concat([rest, data.subarray()])
      for (; rest.length >= 32; rest = rest.subarray(32)) this.echoes.push(rest.readUInt32BE(0))
    })
  }

  send(number: number): void {
    const bytes = Buffer.alloc(32)
    bytes.writeUInt32BE(number)
    this.#stream.send(bytes)
  }

  close(): Promise<void> {
    return this.#stream.close()
  }
}
