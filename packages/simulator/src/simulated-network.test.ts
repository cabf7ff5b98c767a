import { describe, expect, test } from 'vitest'
import { LIMITS, type NetworkInput, SeededRandom, instant } from '@causeway/protocol'
import { type DriverPair, type DriverUnderTest, describeNetworkContract } from '../../../test/contract/network-contract.ts'
import { Fault } from './fault.ts'
import { type Host, SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedPort } from './simulated-port.ts'
import { Timeline } from './timeline.ts'
import { PERFECT_WIRE, type WireConditions } from './wire.ts'

interface Node extends DriverUnderTest {
  readonly host: Host
  readonly port: SimulatedPort
  readonly inputs: NetworkInput[]
  readonly arrivals: number[]
}

interface Lab {
  readonly timeline: Timeline
  readonly network: SimulatedNetwork
  readonly a: Node
  readonly b: Node
  run(ms: number): void
}

function lab(conditions: Partial<WireConditions> = {}, laneQueueBytesMax = LIMITS.laneQueueBytesMax, seed = 1): Lab {
  const timeline = new Timeline()
  const network = new SimulatedNetwork(timeline, new SeededRandom(seed), {
    laneQueueBytesMax,
    conditions: () => ({ ...PERFECT_WIRE, delayMs: 20, ...conditions }),
  })
  const node = (last: number): Node => {
    const host = network.addHost({ address: `10.0.0.${last}:7400`, key: new Uint8Array(32).fill(last), listens: true, udp: true })
    const inputs: NetworkInput[] = []
    const arrivals: number[] = []
    const port = network.open(host, (input) => {
      inputs.push(input)
      arrivals.push(timeline.now)
    })
    const now = () => instant(timeline.now)
    return { host, port, inputs, arrivals, address: host.address, key: host.key, apply: (effects) => port.apply(effects), now }
  }
  const run = (ms: number): void => {
    const until = timeline.now + ms
    while (timeline.nextAt <= until) timeline.step()
    timeline.advance(until)
  }
  return { timeline, network, a: node(1), b: node(2), run }
}

async function makePair(limits: { laneQueueBytesMax: number }): Promise<DriverPair> {
  const { timeline, a, b } = lab({ jitterMs: 3, lossRatio: 0.01, reorderRatio: 0.02 }, limits.laneQueueBytesMax)
  return {
    a,
    b,
    deadAddress: '10.0.0.9:7400',
    waitFor: async (condition, what) => {
      const until = timeline.now + 10_000
      while (!condition()) {
        if (timeline.nextAt === Number.POSITIVE_INFINITY) timeline.advance(timeline.now + 10)
        else timeline.step()
        if (timeline.now > until) throw new Error(`waited for ${what}`)
      }
    },
    stop: async () => {},
  }
}

describeNetworkContract('SimulatedNetwork', makePair)

function connect(it: Lab): void {
  it.a.apply([{ type: 'dial', address: it.b.address }])
  it.run(4900)
  expect(it.a.inputs.at(-1)).toMatchObject({ type: 'connected', connection: 1 })
  expect(it.b.inputs.at(-1)).toMatchObject({ type: 'connected', connection: 1 })
}

function cut(it: Lab, from: Node, to: Node): Fault {
  const wire = it.network.wire(from.host, to.host)
  const fault = new Fault('cut', 'test', () => wire.release(fault))
  wire.disturb({ fault, lossRatio: 1, extraDelayMs: 0 })
  return fault
}

const say = (node: Node, text: string, lane: 'control' | 'stream' = 'stream', connection = 1): void =>
  node.apply([{ type: 'send', connection, lane, message: Uint8Array.from(text, (c) => c.charCodeAt(0)) }])

const heard = (node: Node): string[] =>
  node.inputs
    .filter((input) => input.type === 'received')
    .flatMap((input) => input.messages.map((message) => String.fromCharCode(...message)))

describe('cuts', () => {
  test('a silent cut tells nobody, holds bytes, and lets them through in order after the heal', () => {
    const it = lab()
    connect(it)
    const faults = [cut(it, it.a, it.b), cut(it, it.b, it.a)]
    const before = it.b.inputs.length
    for (const word of ['one', 'two', 'three']) say(it.a, word)
    it.run(20_000)
    expect(it.b.inputs.length).toBe(before)
    expect(it.a.inputs.filter((input) => input.type === 'disconnected')).toEqual([])
    expect(faults[0]?.dropped).toBeGreaterThan(3)
    for (const fault of faults) fault.heal()
    it.run(40_000)
    expect(heard(it.b)).toEqual(['one', 'two', 'three'])
  })

  test('cut one way: what goes the other way stops too, once acknowledgements are missed', () => {
    const it = lab()
    connect(it)
    const fault = cut(it, it.b, it.a)
    say(it.a, 'first')
    it.run(1000)
    expect(heard(it.b)).toEqual(['first'])
    say(it.a, 'second')
    it.run(10_000)
    expect(heard(it.b)).toEqual(['first'])
    fault.heal()
    it.run(40_000)
    expect(heard(it.b)).toEqual(['first', 'second'])
  })

  test('a dial into a cut times out after 5 s', () => {
    const it = lab()
    cut(it, it.a, it.b)
    it.a.apply([{ type: 'dial', address: it.b.address }])
    it.run(4999)
    expect(it.a.inputs).toEqual([])
    it.run(1)
    expect(it.a.inputs).toEqual([{ type: 'dialFailed', address: it.b.address, reason: 'timed out' }])
    expect(it.b.inputs).toEqual([])
  })
})

describe('deaths', () => {
  test('the peer of a dead process is told after one way, and a dial is refused', () => {
    const it = lab()
    connect(it)
    const at = it.timeline.now
    expect(it.network.close(it.b.port)).toBe(1)
    it.run(1000)
    expect(it.a.inputs.at(-1)).toMatchObject({ type: 'disconnected', connection: 1 })
    expect(it.a.arrivals.at(-1)).toBe(at + 20)
    it.a.apply([{ type: 'dial', address: it.b.address }])
    it.run(1000)
    expect(it.a.inputs.at(-1)).toMatchObject({ type: 'dialFailed', reason: 'connection refused' })
    expect(it.b.inputs.filter((input) => input.type === 'disconnected')).toEqual([])
  })

  test('behind a cut the peer hears of the death only after the heal', () => {
    const it = lab()
    connect(it)
    const fault = cut(it, it.b, it.a)
    it.network.close(it.b.port)
    it.run(5000)
    expect(it.a.inputs.at(-1)).toMatchObject({ type: 'connected' })
    fault.heal()
    it.run(10_000)
    expect(it.a.inputs.at(-1)).toMatchObject({ type: 'disconnected' })
  })
})

test('what the acceptor says at once arrives after the dialler is connected', () => {
  const it = lab()
  const speaks = it.network.addHost({ address: '10.0.0.3:7400', key: new Uint8Array(32).fill(3), listens: true, udp: true })
  const port = it.network.open(speaks, (input) => {
    if (input.type === 'connected')
      port.apply([{ type: 'send', connection: input.connection, lane: 'control', message: Uint8Array.of(72) }])
  })
  it.a.apply([{ type: 'dial', address: speaks.address }])
  it.run(1000)
  expect(it.a.inputs.map((input) => input.type)).toEqual(['connected', 'received'])
})

describe('delays and losses', () => {
  test('connecting costs two round trips, a message one way', () => {
    const it = lab()
    connect(it)
    expect(it.a.arrivals[0]).toBe(80)
    expect(it.b.arrivals[0]).toBe(60)
    const at = it.timeline.now
    say(it.a, 'x')
    it.run(1000)
    expect(it.b.arrivals.at(-1)).toBe(at + 20)
  })

  test('loss delays what is behind it, and loses and reorders nothing on a stream', () => {
    const it = lab({ lossRatio: 0.1, jitterMs: 5 }, undefined, 3)
    connect(it)
    const words = Array.from({ length: 300 }, (_, index) => `w${index}`)
    for (const word of words) {
      say(it.a, word)
      it.run(10)
    }
    it.run(60_000)
    expect(heard(it.b)).toEqual(words)
  })

  test('datagrams are lost, repeated and reordered about as often as ordered', () => {
    const it = lab({ lossRatio: 0.1, duplicateRatio: 0.05, reorderRatio: 0.1 })
    connect(it)
    const theirs = it.b.inputs[0]
    if (theirs?.type !== 'connected' || !theirs.datagram) throw new Error('no datagrams')
    it.a.apply([{ type: 'openLanes', connection: 1, datagram: theirs.datagram, stream: null }])
    for (let i = 0; i < 5000; i++) {
      it.a.apply([{ type: 'send', connection: 1, lane: 'datagram', message: Uint8Array.of(i >> 8, i) }])
      it.run(1)
    }
    it.run(1000)
    const seen = it.b.inputs
      .filter((input) => input.type === 'received')
      .flatMap((input) => input.messages.map((message) => ((message[0] ?? 0) << 8) | (message[1] ?? 0)))
    const distinct = new Set(seen)
    expect(distinct.size / 5000).toBeCloseTo(0.9, 1)
    expect((seen.length - distinct.size) / 5000).toBeCloseTo(0.045, 1)
    const late = seen.filter((value, index) => index > 0 && value < (seen[index - 1] ?? 0)).length
    expect(late).toBeGreaterThan(100)
    expect(late).toBeLessThan(1500)
  })

  test('a datagram sealed with a key that the peer did not give out is not delivered', () => {
    const it = lab()
    connect(it)
    it.a.apply([
      { type: 'openLanes', connection: 1, datagram: { index: 7, key: new Uint8Array(32) }, stream: null },
      { type: 'send', connection: 1, lane: 'datagram', message: Uint8Array.of(1) },
    ])
    it.run(1000)
    expect(heard(it.b)).toEqual([])
  })

  test('a rate limit makes bytes wait their turn', () => {
    const it = lab({ bytesPerSecond: 100_000 })
    connect(it)
    const at = it.timeline.now
    it.a.apply([{ type: 'send', connection: 1, lane: 'stream', message: new Uint8Array(50_000) }])
    it.run(5000)
    expect(it.b.arrivals.at(-1)).toBeGreaterThan(at + 500)
    expect(it.b.arrivals.at(-1)).toBeLessThan(at + 560)
  })
})
