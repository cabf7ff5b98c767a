import { type FrameClass, type Instant, LIMITS, type NodeId, SeededRandom, after, instant, nodeId } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Channel, type ChannelEffect } from './channel.ts'
import { type ChannelPacket, channelPacketBytes, readChannelPacket, writeChannelPacket } from './channel-packet.ts'
import { PathSet } from './path-set.ts'

const A = nodeId('a')
const B = nodeId('b')
const RELAYS = [nodeId('h1'), nodeId('h2'), nodeId('h3')]

interface Way {
  delayMs: number
  /** Share of frames that vanish. */
  loss: number
  cutTo: boolean
  cutBack: boolean
  /** Until then the way holds everything back, then delivers it in order. */
  stalledUntil: number
  /** Its relay notes that frames wait too long. */
  marks: boolean
}

/** Two channel ends joined by ways over relays, each with its own delay, loss and cuts, on a virtual clock. */
class Pair {
  now: Instant = instant(0)
  readonly ways: Way[]
  readonly ends: { a: Channel; b: Channel }
  readonly got: { a: number[]; b: number[] } = { a: [], b: [] }
  readonly gotAt: number[] = []
  readonly ended: { a: string | null | undefined; b: string | null | undefined } = { a: undefined, b: undefined }
  /** The ends can seal for each other. */
  keys = true
  readonly finished = { a: false, b: false }
  frames = 0
  sent = 0
  readonly #random: SeededRandom
  #flying: { at: Instant; order: number; to: 'a' | 'b'; route: readonly NodeId[]; packet: Uint8Array }[] = []
  #order = 0

  constructor(delays: readonly number[], seed = 1, limits = LIMITS, frameClass: FrameClass = 'ordered') {
    this.#random = new SeededRandom(seed)
    this.ways = delays.map((delayMs) => ({ delayMs, loss: 0, cutTo: false, cutBack: false, stalledUntil: 0, marks: false }))
    const end = (self: NodeId, peer: NodeId, opener: boolean): Channel => {
      const paths = new PathSet(peer)
      paths.plan(
        this.now,
        delays.map((costMs, i) => ({ route: [RELAYS[i] as NodeId, peer], costMs, impaired: false })),
        { costTo: (hop) => (RELAYS.includes(hop) ? 1 : undefined), impaired: () => false, ways: () => [], mayMove: () => true },
      )
      const surroundings = { limits, ready: () => this.keys, heardAt: () => undefined, grow: () => true }
      return new Channel(this.now, { self, peer, channel: 7, opener, class: frameClass }, paths, surroundings)
    }
    this.ends = { a: end(A, B, true), b: end(B, A, false) }
  }

  input(end: 'a' | 'b', input: Parameters<Channel['handle']>[1]): void {
    for (const effect of this.ends[end].handle(this.now, input)) this.carry(end, effect)
  }

  send(end: 'a' | 'b', number: number, bytes = 4): void {
    const message = new Uint8Array(bytes)
    new DataView(message.buffer).setUint32(0, number)
    this.input(end, { type: 'write', messages: [message] })
  }

  carry(from: 'a' | 'b', effect: ChannelEffect): void {
    if (effect.type === 'messages') {
      for (const { buffer, byteOffset } of effect.messages) this.got[from].push(new DataView(buffer, byteOffset).getUint32(0))
      if (from === 'b') this.gotAt.push(this.now)
    } else if (effect.type === 'finished') {
      this.finished[from] = true
    } else if (effect.type === 'ended') {
      this.ended[from] = effect.reason
    } else if (effect.type === 'packet') {
      this.frames++
      const { route } = effect
      const way = this.ways[RELAYS.indexOf(route[0] as NodeId)] as Way
      if (this.#random.float() < way.loss) return
      const at = instant(Math.max(this.now + way.delayMs, way.stalledUntil))
      this.#flying.push({ at, order: this.#order++, to: from === 'a' ? 'b' : 'a', route, packet: bytesOf(effect.packet) })
    }
  }

  /** Runs until `ms` from now. A frame that arrives over a way that is cut by then is lost. */
  run(ms: number): void {
    const end = after(this.now, ms)
    for (let steps = 0; ; steps++) {
      if (steps > 20_000) throw new Error('the channel is busy without end')
      this.#flying.sort((x, y) => x.at - y.at || x.order - y.order)
      const frame = this.#flying[0]
      const wakes = (['a', 'b'] as const).map((name) => ({ name, at: this.ends[name].nextWake() }))
      const wake = wakes.filter((w) => w.at !== undefined).toSorted((x, y) => (x.at as number) - (y.at as number))[0]
      const next = Math.min(frame?.at ?? Infinity, wake?.at ?? Infinity)
      if (next > end) break
      this.now = instant(Math.max(this.now, next))
      if (frame && frame.at <= next) {
        this.#flying.shift()
        this.#arrive(frame.to, frame.route, frame.packet)
      } else if (wake) {
        this.input(wake.name, { type: 'wake' })
      }
    }
    this.now = end
  }

  #arrive(to: 'a' | 'b', route: readonly NodeId[], bytes: Uint8Array): void {
    const way = this.ways[RELAYS.indexOf(route[0] as NodeId)] as Way
    if (to === 'b' ? way.cutTo : way.cutBack) return
    const packet = readChannelPacket(bytes)
    if (!packet) throw new Error('malformed packet')
    const wayBack = [route[0] as NodeId, to === 'b' ? A : B]
    this.input(to, { type: 'packet', packet, arrival: { wayBack, marked: way.marks } })
    this.input(to, { type: 'flush' })
  }
}

function bytesOf(packet: ChannelPacket): Uint8Array {
  const bytes = new Uint8Array(channelPacketBytes(packet))
  writeChannelPacket(bytes, 0, packet)
  return bytes
}

/** Sends `messages` more from a to b, one every 10 ms. */
function flow(pair: Pair, messages: number): void {
  for (let i = 0; i < messages; i++) {
    pair.send('a', pair.sent++)
    pair.run(10)
  }
}

function gapMs(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((at, i) => at - (times[i] as number)))
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('Channel', () => {
  it('delivers in order and both ways', () => {
    const pair = new Pair([10, 15, 20])
    flow(pair, 50)
    for (let i = 0; i < 20; i++) pair.send('b', i)
    pair.run(200)
    expect(pair.got.b).toEqual(upTo(50))
    expect(pair.got.a).toEqual(upTo(20))
    expect(pair.ends.a.figures).toMatchObject({ resent: 0, unacknowledgedBytes: 0 })
  })

  it('survives a silent cut of the way in use within a few round trips', () => {
    const pair = new Pair([10, 15, 20])
    flow(pair, 100)
    Object.assign(pair.ways[0] as Way, { cutTo: true, cutBack: true })
    flow(pair, 100)
    pair.run(1000)
    expect(pair.got.b).toEqual(upTo(200))
    expect(gapMs(pair.gotAt)).toBeLessThan(2 * 20 + 30 + 10)
  })

  it.each(['cutTo', 'cutBack'] as const)('survives a one-way cut (%s)', (direction) => {
    const pair = new Pair([10, 15])
    flow(pair, 50)
    ;(pair.ways[0] as Way)[direction] = true
    flow(pair, 150)
    pair.run(2000)
    expect(pair.got.b).toEqual(upTo(200))
    expect(gapMs(pair.gotAt)).toBeLessThan(120)
  })

  it('goes back at once to a path that was only late', () => {
    const pair = new Pair([10, 15])
    flow(pair, 100)
    ;(pair.ways[0] as Way).stalledUntil = pair.now + 40
    flow(pair, 20)
    expect(pair.ends.a.figures.resent).toBeGreaterThan(0)
    expect(pair.ends.a.paths.active?.firstHop).toBe(RELAYS[0])
    expect(pair.got.b).toEqual(upTo(120))
  })

  it('does not go back to a path that lost what was overdue', () => {
    const pair = new Pair([10, 15])
    flow(pair, 100)
    ;(pair.ways[0] as Way).cutTo = true
    flow(pair, 4)
    ;(pair.ways[0] as Way).cutTo = false
    flow(pair, 50)
    expect(pair.ends.a.figures.resent).toBeGreaterThan(0)
    expect(pair.ends.a.paths.active?.firstHop).toBe(RELAYS[1])
    pair.run(100)
    expect(pair.got.b).toEqual(upTo(154))
  })

  it('uses its only path again when that heals', () => {
    const pair = new Pair([10])
    flow(pair, 20)
    Object.assign(pair.ways[0] as Way, { cutTo: true, cutBack: true })
    flow(pair, 50)
    Object.assign(pair.ways[0] as Way, { cutTo: false, cutBack: false })
    pair.run(10_000)
    expect(pair.got.b).toEqual(upTo(70))
  })

  it('does not multiply traffic when every path stalls for 2 s', () => {
    const still = new Pair([10, 15, 20])
    flow(still, 400)
    still.run(5000)
    const stalled = new Pair([10, 15, 20])
    flow(stalled, 100)
    for (const way of stalled.ways) way.stalledUntil = stalled.now + 2000
    flow(stalled, 300)
    stalled.run(5000)
    expect(stalled.got.b).toEqual(upTo(400))
    expect(stalled.frames / still.frames).toBeLessThan(1.3)
  })

  it('is not gone before the peer has heard of it', () => {
    const pair = new Pair([10, 15])
    pair.send('a', 0)
    pair.input('a', { type: 'packet', packet: { kind: 'gone', channel: 7, fromOpener: false }, arrival: { wayBack: [B], marked: false } })
    pair.run(100)
    expect(pair.ended.a).toBeUndefined()
    expect(pair.got.b).toEqual([0])
    pair.input('a', { type: 'packet', packet: { kind: 'gone', channel: 7, fromOpener: false }, arrival: { wayBack: [B], marked: false } })
    expect(pair.ended.a).toContain('does not know this channel')
  })

  it('is gone when the peer has answered, though it has acknowledged nothing yet', () => {
    const pair = new Pair([10, 15])
    pair.send('a', 0)
    const common = { kind: 'data', channel: 7, fromOpener: false, opening: false, packet: 0, sequence: 0, endOfStream: false } as const
    const answer: ChannelPacket = { ...common, payload: [Uint8Array.of(4, 0, 0, 0, 9)] }
    pair.input('a', { type: 'packet', packet: answer, arrival: { wayBack: [B], marked: false } })
    expect(pair.got.a).toEqual([9])
    pair.input('a', { type: 'packet', packet: { kind: 'gone', channel: 7, fromOpener: false }, arrival: { wayBack: [B], marked: false } })
    expect(pair.ended.a).toContain('restarted')
  })

  it('is quiet when it has nothing to say', () => {
    const pair = new Pair([10, 15])
    flow(pair, 10)
    pair.run(1000)
    const before = pair.frames
    pair.run(60_000)
    // Each end asks every 10 s whether the other is there, and is answered.
    expect(pair.frames - before).toBeLessThanOrEqual(2 * 2 * 6 + 2)
  })

  it('ends on both sides when both have finished', () => {
    const pair = new Pair([10, 15])
    pair.send('a', 1)
    pair.input('a', { type: 'finish' })
    pair.run(100)
    expect(pair.finished).toEqual({ a: false, b: true })
    expect(pair.ended.b).toBeUndefined()
    pair.send('b', 2)
    pair.input('b', { type: 'finish' })
    pair.run(100)
    expect(pair.got).toEqual({ a: [2], b: [1] })
    expect(pair.ended).toEqual({ a: null, b: null })
  })

  it('gives up when no path has worked for the whole dead time', () => {
    const pair = new Pair([10], 1, { ...LIMITS, channelDeadMs: 5000 })
    flow(pair, 5)
    Object.assign(pair.ways[0] as Way, { cutTo: true, cutBack: true })
    pair.send('a', 5)
    pair.run(4900)
    expect(pair.ended.a).toBeUndefined()
    pair.run(200)
    expect(pair.ended.a).toContain('no path has worked for 5 s')
  })

  it('finds out that an idle peer has gone silent', () => {
    const pair = new Pair([10], 1, { ...LIMITS, channelDeadMs: 5000 })
    flow(pair, 5)
    pair.run(60_000)
    expect(pair.ended.a).toBeUndefined()
    Object.assign(pair.ways[0] as Way, { cutTo: true, cutBack: true })
    pair.run(16_000)
    expect(pair.ended.a).toContain('no path')
  })

  it('tells its user to stop at a full window, and to go on', () => {
    const pair = new Pair([10])
    const news: string[] = []
    const message = new Uint8Array(1024)
    const note = (effects: readonly ChannelEffect[]): void =>
      void news.push(...effects.map(({ type }) => type).filter((type) => type !== 'packet'))
    for (let i = 0; i < 2000; i++) note(pair.ends.a.handle(pair.now, { type: 'write', messages: [message] }))
    expect(news).toEqual(['blocked'])
    const acked = (cumulative: number): void => {
      const ack = {
        kind: 'ack',
        channel: 7,
        fromOpener: false,
        echo: 0,
        delayMs: 0,
        windowBytes: 1 << 20,
        marked: false,
        ranges: [],
      } as const
      const input = { type: 'packet', packet: { ...ack, cumulative }, arrival: { wayBack: [], marked: false } } as const
      note(pair.ends.a.handle(after(pair.now, 100), input))
      note(pair.ends.a.handle(after(pair.now, 100), { type: 'flush' }))
    }
    acked(1)
    expect(news).toEqual(['blocked'])
    for (let round = 2; round < 600; round++) acked(round)
    expect(news).toEqual(['blocked', 'writable'])
  })

  it('sends nothing without keys, and everything once there are some', () => {
    const pair = new Pair([10])
    pair.keys = false
    flow(pair, 20)
    pair.run(5000)
    expect(pair.frames).toBe(0)
    pair.keys = true
    pair.input('a', { type: 'pathsChanged' })
    pair.run(100)
    expect(pair.got.b).toEqual(upTo(20))
  })

  it('packs what is written together', () => {
    const pair = new Pair([10])
    const messages = upTo(1000).map((number) => Uint8Array.of(0, 0, number >> 8, number))
    pair.input('a', { type: 'write', messages })
    pair.run(100)
    expect(pair.got.b).toEqual(upTo(1000))
    expect(pair.frames).toBeLessThan(5)
  })

  it('stops the peer while its program does not read, and loses nothing', () => {
    const pair = new Pair([10])
    let unread = 0
    for (let i = 0; i < 6000; i++) {
      const before = pair.got.b.length
      pair.send('a', pair.sent++, 1024)
      pair.run(1)
      const bytes = 1024 * (pair.got.b.length - before)
      unread += bytes
      if (bytes > 0) pair.input('b', { type: 'unread', bytes })
    }
    pair.run(30_000)
    expect(unread).toBeGreaterThan(LIMITS.channelWindowBytes / 2)
    expect(unread).toBeLessThan(2 * LIMITS.channelWindowBytes)
    expect(pair.ended.a).toBeUndefined()
    pair.input('b', { type: 'unread', bytes: -unread })
    pair.run(5000)
    expect(pair.got.b).toEqual(upTo(6000))
  })

  it('sends less while frames are marked', () => {
    const inFlightMax = (marks: boolean): number => {
      const pair = new Pair([10])
      Object.assign(pair.ways[0] as Way, { marks })
      let most = 0
      for (let i = 0; i < 300; i++) {
        pair.input('a', { type: 'write', messages: [new Uint8Array(30_000)] })
        pair.run(1)
        if (i > 100) most = Math.max(most, pair.ends.a.paths.paths[0]?.inFlightBytes ?? 0)
      }
      return most
    }
    expect(inFlightMax(true)).toBeLessThan(inFlightMax(false) / 3)
  })

  it('loses, repeats and reorders nothing, whatever the ways do (as long as one works in the end)', () => {
    const fault = fc.record({
      way: fc.nat(2),
      loss: fc.constantFrom(0, 0.05, 0.3),
      cutTo: fc.boolean(),
      cutBack: fc.boolean(),
      delayMs: fc.integer({ min: 1, max: 200 }),
      messages: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(4, 1000, 70_000),
      marks: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(fault, { minLength: 1, maxLength: 12 }), fc.nat(1e6), (faults, seed) => {
        const pair = new Pair([10, 30, 50], seed)
        let sent = 0
        for (const { way, loss, cutTo, cutBack, delayMs, messages, bytes, marks } of faults) {
          Object.assign(pair.ways[way] as Way, { loss, cutTo, cutBack, delayMs, marks })
          for (let i = 0; i < messages; i++) {
            pair.send('a', sent++, bytes)
            pair.run(7)
          }
        }
        for (const way of pair.ways) Object.assign(way, { loss: 0, cutTo: false, cutBack: false, marks: false })
        pair.run(45_000)
        expect(pair.got.b).toEqual(upTo(sent))
        expect(pair.ends.a.figures.unacknowledgedBytes).toBe(0)
        for (const path of pair.ends.a.paths.paths) expect(path.inFlightBytes).toBe(0)
      }),
      { numRuns: 100 },
    )
  })

  describe('of a class that sends once', () => {
    const DATAGRAMS = 300
    /** Sends datagrams, one every 10 ms, while `fault` strikes after a third; the numbers that arrived. */
    function datagrams(frameClass: 'latest' | 'twin', fault: (pair: Pair) => void, bytes = 4): { pair: Pair; got: number[] } {
      const pair = new Pair([10, 25, 30], 3, LIMITS, frameClass)
      for (const effect of pair.ends.a.name(pair.now, Uint8Array.of(0, 0, 0, 0))) pair.carry('a', effect)
      pair.ends.b.become(frameClass)
      for (let i = 1; i <= DATAGRAMS; i++) {
        if (i === DATAGRAMS / 3) fault(pair)
        pair.send('a', i, bytes)
        pair.run(10)
      }
      pair.run(500)
      return { pair, got: pair.got.b.slice(1) }
    }

    it.each(['latest', 'twin'] as const)('delivers all over ways that lose nothing, whole or in fragments (%s)', (frameClass) => {
      for (const bytes of [4, 5000]) expect(datagrams(frameClass, () => undefined, bytes).got).toEqual(upTo(DATAGRAMS + 1).slice(1))
    })

    it('twin loses nothing when a way is cut silently, and pauses less than a round trip', () => {
      const { pair, got } = datagrams('twin', ({ ways }) => Object.assign(ways[0] as Way, { cutTo: true, cutBack: true }))
      expect(got.toSorted((a, b) => a - b)).toEqual(upTo(DATAGRAMS + 1).slice(1))
      expect(new Set(got).size).toBe(got.length)
      expect(gapMs(pair.gotAt)).toBeLessThanOrEqual(10 + 25 - 10)
    })

    it('latest leaves a way that is cut after two round trips, and delivers nothing late or twice', () => {
      const { got } = datagrams('latest', ({ ways }) => Object.assign(ways[0] as Way, { cutTo: true, cutBack: true }))
      expect(got.length).toBeGreaterThan(DATAGRAMS - 8)
      expect(got).toEqual([...new Set(got)].toSorted((a, b) => a - b))
    })
  })
})
