/** Channels for which nobody waits: what they save over a direct link, and that nothing is lost when that dies. */
import { type Instant, LIMITS, type NodeId, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Channel } from './channel.ts'
import type { ChannelPacket } from './channel-packet.ts'
import { PathSet } from './path-set.ts'

const A = nodeId('a')
const B = nodeId('b')
const RELAY = nodeId('h1')
const DELAY_MS = 20

interface Flying {
  readonly at: number
  readonly to: 'a' | 'b'
  readonly route: readonly NodeId[]
  readonly packet: ChannelPacket
}

/** Two ends with a direct link, which may be cut, and a way over a relay. */
class Pair {
  now: Instant = instant(0)
  readonly packets: Flying[] = []
  readonly got: { a: number; b: number } = { a: 0, b: 0 }
  cut = false
  readonly #ends: { readonly a: Channel; readonly b: Channel }
  readonly #paths: PathSet[] = []
  #flying: Flying[] = []

  constructor(calm: boolean) {
    const end = (self: NodeId, peer: NodeId, opener: boolean): Channel => {
      const paths = new PathSet(peer)
      this.#paths.push(paths)
      this.#plan(paths, peer)
      const surroundings = { limits: LIMITS, ready: () => true, heardAt: () => undefined, grow: () => true }
      const channel = new Channel(this.now, { self, peer, channel: 7, opener, class: 'ordered' }, paths, surroundings)
      if (calm) channel.calm()
      return channel
    }
    this.#ends = { a: end(A, B, true), b: end(B, A, false) }
  }

  send(end: 'a' | 'b', bytes = 100): void {
    this.#input(end, { type: 'write', messages: [new Uint8Array(bytes)] })
  }

  /** The link is found to be dead, at both ends. */
  linkDown(): void {
    for (const [index, peer] of [B, A].entries()) this.#plan(this.#paths[index]!, peer)
    for (const end of ['a', 'b'] as const) this.#input(end, { type: 'pathsChanged' })
  }

  run(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const wakes = (['a', 'b'] as const).map((name) => ({ name, at: this.#ends[name].nextWake() ?? Infinity }))
      const wake = wakes.toSorted((x, y) => x.at - y.at)[0]!
      const first = this.#flying[0]
      const next = Math.min(wake.at, first?.at ?? Infinity)
      if (next > end) break
      this.now = instant(Math.max(this.now, next))
      if (first && first.at <= next) this.#arrive(this.#flying.shift()!)
      else this.#input(wake.name, { type: 'wake' })
    }
    this.now = instant(end)
  }

  #plan(paths: PathSet, peer: NodeId): void {
    const links = {
      costTo: (hop: NodeId) => (hop === RELAY || !this.cut ? DELAY_MS : undefined),
      impaired: () => false,
      ways: () => [],
      mayMove: () => true,
    }
    const routes = this.cut ? [[RELAY, peer]] : [[peer], [RELAY, peer]]
    const plan = routes.map((route) => ({ route, costMs: DELAY_MS * route.length, impaired: false }))
    paths.plan(this.now, plan, links)
  }

  #arrive({ to, route, packet }: Flying): void {
    if (this.cut && route.length === 1) return
    const wayBack = route.length === 1 ? [to === 'a' ? B : A] : [RELAY, to === 'a' ? B : A]
    this.#input(to, { type: 'packet', packet, arrival: { wayBack, marked: false } })
    this.#input(to, { type: 'flush' })
  }

  #input(end: 'a' | 'b', input: Parameters<Channel['handle']>[1]): void {
    for (const effect of this.#ends[end].handle(this.now, input)) {
      if (effect.type === 'messages') this.got[end] += effect.messages.length
      if (effect.type !== 'packet') continue
      const { route, packet } = effect
      const flying = { at: this.now + DELAY_MS * route.length, to: end === 'a' ? 'b' : 'a', route, packet } as const
      this.packets.push(flying)
      this.#flying = [...this.#flying, flying].toSorted((x, y) => x.at - y.at)
    }
  }
}

function countAcks(pair: Pair): number {
  return pair.packets.filter(({ packet }) => packet.kind === 'ack').length
}

describe('a calm channel over a direct link', () => {
  it('acknowledges in company, and no message is sent twice for it', () => {
    const counts = [false, true].map((calm) => {
      const pair = new Pair(calm)
      for (let second = 0; second < 60; second++) {
        pair.send('a')
        pair.run(500)
        pair.send('b')
        pair.run(500)
      }
      pair.run(5_000)
      expect(pair.got).toEqual({ a: 60, b: 60 })
      const data = pair.packets.filter(({ packet }) => packet.kind === 'data')
      expect(data).toHaveLength(120)
      // Those that leave together with data cost no packet of their own.
      const alone = pair.packets.filter((ack) => ack.packet.kind === 'ack' && !data.some(({ at, to }) => at === ack.at && to === ack.to))
      return { all: countAcks(pair), alone: alone.length }
    })
    expect(counts[0]).toEqual({ all: 120, alone: 120 })
    expect(counts[1]!.alone).toBeLessThanOrEqual(2)
    expect(counts[1]!.all).toBeLessThanOrEqual(70)
  })

  it('acknowledges bulk as it comes', () => {
    const pair = new Pair(true)
    for (let n = 0; n < 100; n++) pair.send('a', 32 * 1024)
    pair.run(1_000)
    expect(pair.got.b).toBe(100)
  })

  it('loses nothing when the link dies, whatever was not acknowledged', () => {
    const pair = new Pair(true)
    pair.send('a')
    pair.run(5_000)
    for (let n = 0; n < 5; n++) pair.send('a')
    pair.run(10)
    pair.cut = true
    pair.run(500)
    pair.linkDown()
    pair.run(200)
    expect(pair.got.b).toBe(6)
    pair.send('b')
    pair.run(200)
    expect(pair.got.a).toBe(1)
    // Over a relay it acknowledges like any other channel.
    expect(pair.packets.filter(({ packet, route }) => packet.kind === 'ack' && route.length === 2).length).toBeGreaterThan(0)
  })

  it('looks for another way by itself if nobody finds that the link is dead', () => {
    const pair = new Pair(true)
    pair.send('a')
    pair.run(5_000)
    pair.send('a')
    pair.cut = true
    pair.run(5_000)
    expect(pair.got.b).toBe(2)
  })
})
