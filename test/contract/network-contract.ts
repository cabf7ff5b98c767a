/**
 * What every driver of `NetworkInput` and `NetworkEffect` must do, whether its network is made of sockets or of
 * virtual time. The suite sees a driver only through the contract: effects in, recorded inputs out, and a
 * `waitFor` that lets the driver's own kind of time pass.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ConnectionId,
  type DatagramKey,
  type Instant,
  type Lane,
  type NetworkEffect,
  type NetworkInput,
  type Probe,
  type ProbeReply,
  betweenStampsMs,
  instant,
  stampOf,
} from '@causeway/protocol'

export interface DriverUnderTest {
  /** Where others dial it. */
  readonly address: string
  /** Its Ed25519 public key. */
  readonly key: Uint8Array
  /** Everything it has reported so far, in order. */
  readonly inputs: readonly NetworkInput[]
  /** Its clock: stamps and the `at` of its inputs are read from it. */
  now(): number
  /** Carries out effects in order, as of one turn of the machine. */
  apply(effects: readonly NetworkEffect[]): void
}

export interface DriverPair {
  readonly a: DriverUnderTest
  readonly b: DriverUnderTest
  /** `host:port` where nobody listens. */
  readonly deadAddress: string
  /** Lets time pass until the condition holds; fails, naming `what`, if it does not within some 10 s. */
  waitFor(condition: () => boolean, what: string): Promise<void>
  stop(): Promise<void>
}

export interface DriverLimits {
  readonly laneQueueBytesMax: number
}

/** Small, so that a lane blocks after a few messages. */
const LIMITS: DriverLimits = { laneQueueBytesMax: 256 * 1024 }
const MESSAGE_BYTES_MAX = 64 * 1024

type Connected = Extract<NetworkInput, { type: 'connected' }>

/** Runs the contract against drivers that `makePair` makes: two nodes which can reach each other and take datagrams. */
export function describeNetworkContract(name: string, makePair: (limits: DriverLimits) => Promise<DriverPair>): void {
  describe(`network contract: ${name}`, () => {
    let pair: DriverPair
    beforeEach(async () => {
      pair = await makePair(LIMITS)
    })
    afterEach(async () => {
      await pair.stop()
    })

    describeConnecting(() => pair)
    describeLanes(() => pair)
    describeProbing(() => pair)
    describeEnding(() => pair)
  })
}

function describeConnecting(pair: () => DriverPair): void {
  it('reports connected on both sides, with the key that the peer proved (rule 1)', async () => {
    const { a, b } = pair()
    const [here, there] = await connect(pair())
    expect(here.peerKey).toEqual(b.key)
    expect(there.peerKey).toEqual(a.key)
    expect(here.address).toBe(b.address)
    expect(there.address).toBeUndefined()
    expect(here.connection).toBe(1)
  })

  it('reports a dial that nobody answers, once', async () => {
    const { a, deadAddress, waitFor } = pair()
    a.apply([{ type: 'dial', address: deadAddress }])
    await waitFor(() => a.inputs.length > 0, 'dialFailed')
    expect(a.inputs).toEqual([{ type: 'dialFailed', address: deadAddress, reason: expect.any(String) }])
  })

  it('keeps connections dialled at the same time from both sides apart', async () => {
    const { a, b, waitFor } = pair()
    a.apply([{ type: 'dial', address: b.address }])
    b.apply([{ type: 'dial', address: a.address }])
    await waitFor(() => connections(a).length === 2 && connections(b).length === 2, 'two connections on each side')
    const dialled = connections(a).find((input) => input.address !== undefined)
    a.apply([send(idOf(dialled), 'control', 'mine')])
    await waitFor(() => received(b, 'control').length === 1, 'the message')
    const arrived = b.inputs.find((input) => input.type === 'received')
    const taken = connections(b).find((input) => input.address === undefined)
    expect(arrived).toMatchObject({ connection: idOf(taken) })
  })

  it('makes two connections of two dials of one address', async () => {
    const { a, b, waitFor } = pair()
    a.apply([
      { type: 'dial', address: b.address },
      { type: 'dial', address: b.address },
    ])
    await waitFor(() => connections(a).length === 2 && connections(b).length === 2, 'two connections on each side')
    expect(new Set(connections(a).map(idOf)).size).toBe(2)
    expect(new Set(connections(b).map(idOf)).size).toBe(2)
  })

  it('never uses the number of a connection twice (rule 1)', async () => {
    const { a, b, waitFor } = pair()
    const [first] = await connect(pair())
    a.apply([{ type: 'close', connection: first.connection, reason: 'again' }])
    await waitFor(() => b.inputs.some((input) => input.type === 'disconnected'), 'disconnected')
    a.apply([{ type: 'dial', address: b.address }])
    await waitFor(() => connections(a).length === 2, 'the second connection')
    expect(idOf(connections(a)[1])).toBeGreaterThan(first.connection)
  })
}

function describeLanes(pair: () => DriverPair): void {
  for (const lane of ['control', 'stream'] as const) {
    it(`delivers whole messages of 1 byte to 64 KiB in order on ${lane} (rule 2)`, async () => {
      const { a, b, waitFor } = pair()
      const [here, there] = await connectWithLanes(pair())
      const sizes = [1, 2, 100, 1_000, MESSAGE_BYTES_MAX, 3, 40_000, MESSAGE_BYTES_MAX - 1]
      a.apply(sizes.map((size, index) => ({ type: 'send', connection: here.connection, lane, message: pattern(size, index) })))
      b.apply([send(there.connection, lane, 'back')])
      await waitFor(() => received(b, lane).length === sizes.length && received(a, lane).length === 1, 'all messages')
      expect(received(b, lane)).toEqual(sizes.map((size, index) => pattern(size, index)))
      expect(received(a, lane)).toEqual([textBytes('back')])
    })
  }

  it('delivers every one of many small messages of one turn, in order', async () => {
    const { a, b, waitFor } = pair()
    const [here] = await connectWithLanes(pair())
    const texts = Array.from({ length: 5_000 }, (_, index) => `message ${index}`)
    a.apply(texts.map((text) => send(here.connection, 'stream', text)))
    await waitFor(() => received(b, 'stream').length === texts.length, 'all messages')
    expect(received(b, 'stream')).toEqual(texts.map(textBytes))
  })

  it('keeps messages in order, loses and repeats none, while the lanes are being opened and after', async () => {
    const { a, b, waitFor } = pair()
    const [here, there] = await connectWithLanes(pair())
    const count = 200
    const turn = 5
    const sizes = [10, 3_000, 50_000]
    let sent = 0
    await waitFor(() => {
      for (let i = 0; i < turn && sent < count; i++, sent++) {
        const message = pattern(sizes[sent % sizes.length] ?? 1, sent)
        a.apply([{ type: 'send', connection: here.connection, lane: 'stream', message }])
        b.apply([{ type: 'send', connection: there.connection, lane: 'stream', message }])
      }
      return received(a, 'stream').length === count && received(b, 'stream').length === count
    }, 'all messages, both ways')
    const expected = Array.from({ length: count }, (_, index) => pattern(sizes[index % sizes.length] ?? 1, index))
    expect(received(a, 'stream')).toEqual(expected)
    expect(received(b, 'stream')).toEqual(expected)
  })

  it('carries datagrams both ways once both ends have opened them', async () => {
    const { a, b, waitFor } = pair()
    const [here, there] = await connectWithLanes(pair())
    // A datagram may be lost, and the side that was dialled learns the address from the first one: repeat.
    await waitFor(() => {
      a.apply([send(here.connection, 'datagram', 'to b')])
      b.apply([send(there.connection, 'datagram', 'to a')])
      return received(a, 'datagram').length > 0 && received(b, 'datagram').length > 0
    }, 'datagrams on both sides')
    expect(received(b, 'datagram')[0]).toEqual(textBytes('to b'))
    expect(received(a, 'datagram')[0]).toEqual(textBytes('to a'))
  })

  it('says when a lane is blocked and when it has drained, and loses nothing (rule 4)', async () => {
    const { a, b, waitFor } = pair()
    const [here] = await connectWithLanes(pair())
    const count = 128
    a.apply(
      Array.from({ length: count }, (_, index) => ({
        type: 'send',
        connection: here.connection,
        lane: 'stream',
        message: pattern(MESSAGE_BYTES_MAX, index),
      })),
    )
    await waitFor(() => a.inputs.some((input) => input.type === 'laneDrained'), 'laneDrained')
    await waitFor(() => received(b, 'stream').length === count, 'all messages')
    const states = a.inputs.filter((input) => input.type === 'laneBlocked' || input.type === 'laneDrained')
    expect(states).toEqual([
      { type: 'laneBlocked', connection: here.connection, lane: 'stream' },
      { type: 'laneDrained', connection: here.connection, lane: 'stream' },
    ])
  })
}

function describeProbing(pair: () => DriverPair): void {
  it('answers probes without its machine, by number, and stamps them as they come and go (rule 6)', async () => {
    const { a, b, waitFor } = pair()
    const [here, there] = await connectWithLanes(pair())
    const sentAt: number[] = []
    // Any probe may be lost: repeat until some have come back.
    await waitFor(() => {
      sentAt.push(a.now())
      a.apply([{ type: 'probe', connection: here.connection, probe: probeOf(sentAt.length - 1) }])
      return probed(a).length >= 3
    }, 'replies')
    const end = a.now()
    for (const { connection, at, packet } of probed(a)) {
      if (packet.type !== 'reply') throw new Error('b has sent no probes')
      const from = sentAt[packet.sequence] ?? Number.NaN
      expect(connection).toBe(here.connection)
      expect(at).toBeGreaterThanOrEqual(from)
      expect(at).toBeLessThanOrEqual(end)
      // A stamp is cut to a microsecond.
      expect(betweenStampsMs(stampOf(instant(from)), packet.sent)).toBeGreaterThanOrEqual(0)
      // It is made in advance, by what departures usually take.
      expect(betweenStampsMs(packet.sent, stampOf(at))).toBeGreaterThanOrEqual(-0.5)
      expect(packet.ageMs, 'its machine is alive').toBeLessThan(1_000)
    }
    const replies = probed(a).flatMap(({ packet }) => (packet.type === 'reply' ? [packet] : []))
    expect(new Set(replies.map((reply) => reply.sequence)).size).toBe(replies.length)
    expect(new Set(replies.map((reply) => reply.reflectorSequence)).size).toBe(replies.length)
    expect(Math.max(...replies.map((reply) => reply.reflectorSequence))).toBeLessThan(sentAt.length)
    expect(received(a, 'datagram')).toEqual([])
    await waitFor(() => replies.every((reply) => arrivalOf(b, there, reply) !== undefined), 'the probes, at the other machine')
    for (const reply of replies) {
      const arrival = arrivalOf(b, there, reply)
      expect(arrival?.packet).toEqual({ ...probeOf(reply.sequence), sent: reply.sent })
      expect(reply.received).toBe(stampOf(arrival?.at ?? instant(0)))
    }
  })

  it('numbers the replies of each connection from 0 (rule 6)', async () => {
    const { a, waitFor } = pair()
    for (const [round, replies] of [30, 1].entries()) {
      const [here] = await connectWithLanes(pair(), round)
      const numbers = (): number[] =>
        probed(a).flatMap(({ connection, packet }) =>
          connection === here.connection && packet.type === 'reply' ? [packet.reflectorSequence] : [],
        )
      let sent = 0
      await waitFor(() => {
        a.apply([{ type: 'probe', connection: here.connection, probe: probeOf(sent++) }])
        return numbers().length >= replies
      }, `${replies} replies`)
      // Some replies may be lost or late, but none has a number that its connection has not come to yet.
      expect(Math.min(...numbers())).toBeLessThan(Math.min(sent, 30))
    }
  })
}

function describeEnding(pair: () => DriverPair): void {
  it('delivers control messages of the turn that closes, then disconnected, then nothing (rule 3)', async () => {
    const { a, b, waitFor } = pair()
    const [here, there] = await connect(pair())
    a.apply([
      send(here.connection, 'control', 'first'),
      send(here.connection, 'control', 'bye'),
      { type: 'close', connection: here.connection, reason: 'enough' },
    ])
    await waitFor(() => b.inputs.some((input) => input.type === 'disconnected'), 'disconnected at the peer')
    await waitFor(() => a.inputs.some((input) => input.type === 'disconnected'), 'disconnected at the closer')
    expect(received(b, 'control')).toEqual([textBytes('first'), textBytes('bye')])
    expect(b.inputs.at(-1)).toMatchObject({ type: 'disconnected', connection: there.connection })
    expect(a.inputs.at(-1)).toEqual({ type: 'disconnected', connection: here.connection, reason: 'enough' })
  })

  it('ignores effects on a connection that has ended or never was (rule 3)', async () => {
    const { a, b, waitFor } = pair()
    const [here, there] = await connect(pair())
    b.apply([{ type: 'close', connection: there.connection, reason: 'enough' }])
    await waitFor(() => a.inputs.some((input) => input.type === 'disconnected'), 'disconnected')
    const before = b.inputs.length
    for (const connection of [here.connection, 99]) {
      a.apply([
        send(connection, 'control', 'late'),
        send(connection, 'datagram', 'late'),
        { type: 'probe', connection, probe: probeOf(1) },
        { type: 'openLanes', connection, datagram: { index: 1, key: new Uint8Array(32) }, stream: null },
        { type: 'close', connection, reason: 'late' },
      ])
    }
    // A new connection works, and what was said on the old one is nowhere.
    a.apply([{ type: 'dial', address: b.address }])
    await waitFor(() => connections(b).length === 2, 'a new connection')
    expect(b.inputs.slice(before).filter((input) => input.type === 'received')).toEqual([])
    expect(a.inputs.filter((input) => input.type === 'disconnected')).toHaveLength(1)
  })
}

/** `before`: how many connections there are already. */
async function connect({ a, b, waitFor }: DriverPair, before = 0): Promise<[Connected, Connected]> {
  a.apply([{ type: 'dial', address: b.address }])
  await waitFor(() => connections(a).length > before && connections(b).length > before, 'connected on both sides')
  return [connectedOf(connections(a)[before]), connectedOf(connections(b)[before])]
}

async function connectWithLanes(pair: DriverPair, before = 0): Promise<[Connected, Connected]> {
  const [here, there] = await connect(pair, before)
  pair.a.apply([{ type: 'openLanes', connection: here.connection, datagram: keyOf(there), stream: there.stream }])
  pair.b.apply([{ type: 'openLanes', connection: there.connection, datagram: keyOf(here), stream: here.stream }])
  return [here, there]
}

function connections(driver: DriverUnderTest): Connected[] {
  return driver.inputs.filter((input) => input.type === 'connected')
}

function connectedOf(input: Connected | undefined): Connected {
  if (!input) throw new Error('not connected')
  return input
}

function idOf(input: Connected | undefined): ConnectionId {
  return connectedOf(input).connection
}

function keyOf(input: Connected): DatagramKey {
  if (!input.datagram) throw new Error('the driver offers no datagrams')
  return input.datagram
}

function received(driver: DriverUnderTest, lane: Lane): Uint8Array[] {
  return driver.inputs.flatMap((input) =>
    input.type === 'received' && input.lane === lane ? input.messages.map((message) => Uint8Array.from(message)) : [],
  )
}

type Probed = Extract<NetworkInput, { type: 'probed' }>

function probed(driver: DriverUnderTest): Probed[] {
  return driver.inputs.filter((input) => input.type === 'probed')
}

/** When and as what the probe of a reply came to the driver that answered it. */
function arrivalOf(driver: DriverUnderTest, on: Connected, reply: ProbeReply): { at: Instant; packet: Probe | ProbeReply } | undefined {
  return probed(driver).find(({ connection, packet }) => connection === on.connection && packet.sequence === reply.sequence)
}

function probeOf(sequence: number): Probe {
  return {
    type: 'probe',
    sequence,
    sent: 0,
    urgent: false,
    alone: true,
    degraded: false,
    rttMs: 21.5,
    queueMs: 0.5,
    replies: 2,
    nextMs: 200,
  }
}

function send(connection: ConnectionId, lane: Lane, text: string): NetworkEffect {
  return { type: 'send', connection, lane, message: textBytes(text) }
}

function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** Bytes that tell which message they are of, and where in it. */
function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + seed * 17) & 0xff
  return bytes
}
