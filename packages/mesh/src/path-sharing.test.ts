/** Several channels on one path: who sends much must not keep out who sends little. */
import { expect, test } from 'vitest'
import { type FrameClass, type Instant, LIMITS, instant, nodeId } from '@causeway/protocol'
import { Channel, type ChannelEffect } from './channel.ts'
import type { ChannelPacket } from './channel-packet.ts'
import { PathSet } from './path-set.ts'

const A = nodeId('a')
const B = nodeId('b')
const RELAY = nodeId('h1')
const ONE_WAY_MS = 10
const BYTES_PER_MS = 5_000

/** Channels from a to b over one path whose line delivers 5 MB/s and then takes 10 ms; acks take 10 ms back. */
class SharedPath {
  now: Instant = instant(0)
  readonly paths: PathSet = new PathSet(B)
  readonly received: number[] = []
  readonly #senders: Channel[] = []
  readonly #receivers: Channel[] = []
  #events: { at: number; run: () => void }[] = []
  #lineFreeAt = 0
  /** Nothing passes. */
  cut = false

  constructor() {
    const hops = { costTo: () => 1, ways: () => [], impaired: () => false, mayMove: () => true }
    this.paths.plan(this.now, [{ route: [RELAY, B], costMs: 20, impaired: false }], hops)
  }

  open(frameClass: FrameClass): number {
    const channel = this.#senders.length
    const surroundings = { limits: LIMITS, ready: () => true, heardAt: () => undefined, grow: () => true }
    const back = new PathSet(A)
    const identity = { channel, class: frameClass }
    this.#senders.push(new Channel(this.now, { self: A, peer: B, opener: true, ...identity }, this.paths, surroundings))
    this.#receivers.push(new Channel(this.now, { self: B, peer: A, opener: false, ...identity }, back, surroundings))
    this.received.push(0)
    this.#carry(channel, 'a', (this.#senders[channel] as Channel).name(this.now, new Uint8Array(10)))
    return channel
  }

  write(channel: number, bytes: number): void {
    this.#input('a', channel, { type: 'write', messages: [new Uint8Array(bytes)] })
  }

  reset(channel: number): void {
    this.#input('a', channel, { type: 'reset', reason: 'enough' })
  }

  run(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.now = instant(this.now + 1)
      const due = this.#events.filter(({ at }) => at <= this.now)
      this.#events = this.#events.filter(({ at }) => at > this.now)
      for (const { run } of due.toSorted((x, y) => x.at - y.at)) run()
      for (const [side, ends] of [
        ['a', this.#senders],
        ['b', this.#receivers],
      ] as const) {
        for (const [channel, end] of ends.entries()) {
          const wake = end.nextWake()
          if (wake !== undefined && wake <= this.now) this.#input(side, channel, { type: 'wake' })
        }
      }
    }
  }

  #input(side: 'a' | 'b', channel: number, input: Parameters<Channel['handle']>[1]): void {
    const end = (side === 'a' ? this.#senders : this.#receivers)[channel] as Channel
    this.#carry(channel, side, end.handle(this.now, input))
  }

  #carry(channel: number, side: 'a' | 'b', effects: readonly ChannelEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'packet') this.#send(channel, side, effect.packet)
      else if (effect.type === 'messages' && side === 'b') this.received[channel] = (this.received[channel] ?? 0) + effect.messages.length
    }
  }

  #send(channel: number, side: 'a' | 'b', packet: ChannelPacket): void {
    if (this.cut) return
    const bytes = packet.kind === 'data' ? packet.payload.reduce((sum, { length }) => sum + length, 60) : 60
    this.#lineFreeAt = side === 'a' ? Math.max(this.#lineFreeAt, this.now) + bytes / BYTES_PER_MS : this.#lineFreeAt
    const at = (side === 'a' ? this.#lineFreeAt : this.now) + ONE_WAY_MS
    const to = side === 'a' ? 'b' : 'a'
    const arrival = { wayBack: [RELAY, side === 'a' ? A : B], marked: false }
    this.#events.push({
      at,
      run: () => {
        this.#input(to, channel, { type: 'packet', packet, arrival })
        this.#input(to, channel, { type: 'flush' })
      },
    })
  }
}

test.each(['ordered', 'latest'] as const)('small messages pass beside bulk on the same path (%s)', (frameClass) => {
  const path = new SharedPath()
  const bulk = path.open('ordered')
  const small = path.open(frameClass)
  for (let i = 0; i < 4000; i++) path.write(bulk, 10_000)
  path.run(1000)
  const before = path.received[small] ?? 0
  for (let i = 0; i < 100; i++) {
    path.write(small, 100)
    path.run(20)
  }
  path.run(100)
  expect((path.received[small] ?? 0) - before).toBeGreaterThanOrEqual(98)
  expect(path.received[bulk]).toBeGreaterThan(500)
})

test('channels that all send much get about the same', () => {
  const path = new SharedPath()
  const channels = [path.open('ordered'), path.open('ordered'), path.open('ordered')]
  for (const channel of channels) {
    for (let i = 0; i < 3000; i++) path.write(channel, 10_000)
    path.run(300)
  }
  const before = channels.map((channel) => path.received[channel] ?? 0)
  path.run(3000)
  const got = channels.map((channel, i) => (path.received[channel] ?? 0) - (before[i] ?? 0))
  expect(Math.min(...got)).toBeGreaterThan(0.5 * Math.max(...got))
})

test('a channel that ends takes nothing with it', () => {
  const path = new SharedPath()
  const channel = path.open('ordered')
  path.write(channel, 100_000)
  path.run(1)
  expect(path.paths.active?.inFlightBytes).toBeGreaterThan(0)
  path.reset(channel)
  expect(path.paths.active?.inFlightBytes).toBe(0)
})

test('many channels that lost something at once do not wait for each other', () => {
  const path = new SharedPath()
  const channels = Array.from({ length: 100 }, () => path.open('ordered'))
  path.run(200)
  path.cut = true
  for (const channel of channels) path.write(channel, 100)
  path.run(100)
  path.cut = false
  path.run(1000)
  // The name of each, and what was lost.
  expect(channels.map((channel) => path.received[channel])).toEqual(channels.map(() => 2))
})
