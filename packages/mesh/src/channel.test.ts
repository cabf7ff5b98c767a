import {
  type Instant,
  LIMITS,
  type NodeId,
  SeededRandom,
  after,
  frameBody,
  instant,
  nodeId,
  readFrameHeader,
  reverseRoute,
} from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Channel, type ChannelEffect } from './channel.ts'
import { readChannelPacket } from './channel-packet.ts'
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
}

/** Two channel ends joined by ways over relays, each with its own delay, loss and cuts, on a virtual clock. */
class Pair {
  now: Instant = instant(0)
  readonly ways: Way[]
  readonly ends: { a: Channel; b: Channel }
  readonly got: { a: number[]; b: number[] } = { a: [], b: [] }
  readonly gotAt: number[] = []
  readonly ended: { a: string | null | undefined; b: string | null | undefined } = { a: undefined, b: undefined }
  frames = 0
  sent = 0
  readonly #random: SeededRandom
  #flying: { at: Instant; order: number; to: 'a' | 'b'; frame: Uint8Array }[] = []
  #order = 0

  constructor(delays: readonly number[], seed = 1, limits = LIMITS) {
    this.#random = new SeededRandom(seed)
    this.ways = delays.map((delayMs) => ({ delayMs, loss: 0, cutTo: false, cutBack: false, stalledUntil: 0 }))
    const end = (self: NodeId, peer: NodeId, opener: boolean): Channel => {
      const paths = new PathSet(peer)
      paths.plan(
        delays.map((costMs, i) => ({ route: [RELAYS[i] as NodeId, peer], costMs })),
        { costTo: (hop) => (RELAYS.includes(hop) ? 1 : undefined), ways: () => [] },
      )
      return new Channel(this.now, { self, peer, channel: 7, opener }, paths, limits)
    }
    this.ends = { a: end(A, B, true), b: end(B, A, false) }
  }

  input(end: 'a' | 'b', input: Parameters<Channel['handle']>[1]): void {
    for (const effect of this.ends[end].handle(this.now, input)) this.#carry(end, effect)
  }

  send(end: 'a' | 'b', number: number, bytes = 4): void {
    const message = new Uint8Array(bytes)
    new DataView(message.buffer).setUint32(0, number)
    this.input(end, { type: 'write', message })
  }

  #carry(from: 'a' | 'b', effect: ChannelEffect): void {
    if (effect.type === 'message') {
      this.got[from].push(new DataView(effect.message.buffer, effect.message.byteOffset).getUint32(0))
      if (from === 'b') this.gotAt.push(this.now)
    } else if (effect.type === 'ended') {
      this.ended[from] = effect.reason
    } else if (effect.type === 'frame') {
      this.frames++
      const way = this.ways[RELAYS.indexOf(effect.firstHop)] as Way
      if (this.#random.float() < way.loss) return
      const at = instant(Math.max(this.now + way.delayMs, way.stalledUntil))
      this.#flying.push({ at, order: this.#order++, to: from === 'a' ? 'b' : 'a', frame: effect.frame })
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
        this.#arrive(frame.to, frame.frame)
      } else if (wake) {
        this.input(wake.name, { type: 'wake' })
      }
    }
    this.now = end
  }

  #arrive(to: 'a' | 'b', frame: Uint8Array): void {
    const header = readFrameHeader(frame)
    if (!header) throw new Error('malformed frame')
    const way = this.ways[RELAYS.indexOf(header.route[0] as NodeId)] as Way
    if (to === 'b' ? way.cutTo : way.cutBack) return
    const packet = readChannelPacket(frameBody(frame))
    if (!packet) throw new Error('malformed packet')
    this.input(to, { type: 'packet', packet, wayBack: reverseRoute({ ...header, position: header.route.length - 1 }) })
  }
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
    pair.input('a', { type: 'packet', packet: { kind: 'gone', channel: 7, fromOpener: false }, wayBack: [B] })
    pair.run(100)
    expect(pair.ended.a).toBeUndefined()
    expect(pair.got.b).toEqual([0])
    pair.input('a', { type: 'packet', packet: { kind: 'gone', channel: 7, fromOpener: false }, wayBack: [B] })
    expect(pair.ended.a).toContain('does not know this channel')
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
    let blocked = 0
    let writable = 0
    for (let i = 0; i < 2000; i++) {
      for (const effect of pair.ends.a.handle(pair.now, { type: 'write', message: new Uint8Array(1024) }))
        if (effect.type === 'blocked') blocked++
    }
    expect(blocked).toBe(1)
    for (const effect of pair.ends.a.handle(after(pair.now, 100), {
      type: 'packet',
      packet: {
        kind: 'ack',
        channel: 7,
        fromOpener: false,
        cumulative: 250,
        echo: 249,
        delayMs: 0,
        windowBytes: 1 << 20,
        ranges: [{ first: 250, end: 256 }],
      },
      wayBack: [],
    })) {
      if (effect.type === 'writable') writable++
    }
    expect(writable).toBe(0)
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
    })
    fc.assert(
      fc.property(fc.array(fault, { minLength: 1, maxLength: 12 }), fc.nat(1e6), (faults, seed) => {
        const pair = new Pair([10, 30, 50], seed)
        let sent = 0
        for (const { way, loss, cutTo, cutBack, delayMs, messages, bytes } of faults) {
          Object.assign(pair.ways[way] as Way, { loss, cutTo, cutBack, delayMs })
          for (let i = 0; i < messages; i++) {
            pair.send('a', sent++, bytes)
            pair.run(7)
          }
        }
        for (const way of pair.ways) Object.assign(way, { loss: 0, cutTo: false, cutBack: false })
        pair.run(45_000)
        expect(pair.got.b).toEqual(upTo(sent))
        expect(pair.ends.a.figures.unacknowledgedBytes).toBe(0)
        for (const path of pair.ends.a.paths.paths) expect(path.inFlightBytes).toBe(0)
      }),
      { numRuns: 100 },
    )
  })
})
