import { describe, expect, test } from 'vitest'
import { type ConnectionId, type Instant, LIMITS, SeededRandom, after } from '@causeway/protocol'
import type { NodeEffect, NodeInput } from '@causeway/node'
import { PERFECT_WIRE } from './wire.ts'
import { World } from './world.ts'
import type { Boot } from './world-node.ts'

/**
 * The smallest machine that uses everything: it dials its peers for ever, sends each a tick every 100 ms, echoes what
 * it is sent, and writes the number of its ticks to disk.
 */
class Ticker {
  readonly lags: number[] = []
  readonly echoes: string[] = []
  readonly persisted: number[] = []
  readonly firstInputs: string[] = []
  wallOffsetMs: number
  ticks: number
  /** As the disk had it at the start. */
  readonly stored: number
  readonly #peers: readonly string[]
  readonly #connections = new Map<ConnectionId, string | undefined>()
  readonly #dialling = new Set<string>()
  #nextTick: Instant

  constructor(boot: Boot, peers: readonly string[]) {
    this.#peers = peers
    this.#nextTick = boot.now
    this.wallOffsetMs = boot.wallOffsetMs
    this.stored = boot.stored.find((entry) => entry.key === 'ticks')?.value?.[0] ?? 0
    this.ticks = this.stored
  }

  nextWake(): Instant {
    return this.#nextTick
  }

  handle(now: Instant, input: NodeInput): NodeEffect[] {
    this.firstInputs.push(input.type)
    const effects: NodeEffect[] = []
    if (input.type === 'connected') this.#connections.set(input.connection, input.address)
    if (input.type === 'disconnected') this.#connections.delete(input.connection)
    if (input.type === 'connected' && input.address !== undefined) this.#dialling.delete(input.address)
    if (input.type === 'dialFailed') this.#dialling.delete(input.address)
    if (input.type === 'lag') this.lags.push(input.lagMs)
    if (input.type === 'wall') this.wallOffsetMs = input.offsetMs
    if (input.type === 'persisted') this.persisted.push(input.ticket)
    if (input.type === 'received') {
      const { connection, lane } = input
      for (const [kind, number = 0] of input.messages) {
        if (kind === 1) this.echoes.push(String(number))
        else effects.push({ type: 'send', connection, lane, message: Uint8Array.of(1, number) })
      }
    }
    if (now >= this.#nextTick) this.#tick(now, effects)
    return effects
  }

  #tick(now: Instant, effects: NodeEffect[]): void {
    this.#nextTick = after(now, 100)
    this.ticks++
    effects.push({ type: 'persist', ticket: this.ticks, entries: [{ key: 'ticks', value: Uint8Array.of(this.ticks) }] })
    for (const address of this.#peers) {
      if (this.#dialling.has(address) || [...this.#connections.values()].includes(address)) continue
      this.#dialling.add(address)
      effects.push({ type: 'dial', address })
    }
    for (const connection of this.#connections.keys()) {
      effects.push({ type: 'send', connection, lane: 'stream', message: Uint8Array.of(0, this.ticks) })
    }
  }
}

function makeWorld(seed = 1, names: readonly string[] = ['a', 'b']): World<Ticker> {
  const world = new World<Ticker>(seed, {
    laneQueueBytesMax: LIMITS.laneQueueBytesMax,
    conditions: () => ({ ...PERFECT_WIRE, delayMs: 10, jitterMs: 1, lossRatio: 0.01 }),
  })
  const addresses = names.map((name) => `${name}:7400`)
  for (const [index, name] of names.entries()) {
    world.add({
      name,
      address: `${name}:7400`,
      key: new Uint8Array(32).fill(index),
      start: (boot) => new Ticker(boot, addresses.slice(0, index)),
    })
  }
  return world
}

describe('World', () => {
  test('same seed, same trace; another seed, another', () => {
    const traceOf = (seed: number): number => {
      const world = makeWorld(seed, ['a', 'b', 'c', 'd'])
      const random = new SeededRandom(seed)
      for (let i = 0; i < 10; i++) {
        const fault = world.cut('a', ['b', 'c'], { oneWay: i % 2 === 0 })
        world.run(random.float() * 2000)
        fault.heal()
        world.crash('b')
        world.run(500)
        world.restart('b')
      }
      return world.trace
    }
    expect(traceOf(1)).toBe(traceOf(1))
    expect(traceOf(1)).not.toBe(traceOf(2))
  })

  test('the wall clock is the first input, and deadlines are met to the microsecond', () => {
    const world = makeWorld()
    world.run(10_050)
    expect(world.node('a').machine.firstInputs[0]).toBe('wall')
    expect(world.node('a').machine.ticks).toBe(101)
    expect(world.now).toBe(10_050)
  })

  test('a watcher hears of every effect, of what goes to disk and network as well', () => {
    const world = makeWorld()
    const heard = new Set<string>()
    world.watch((_, { type }) => heard.add(type))
    world.run(1_000)
    expect([...heard].toSorted()).toEqual(['persist', 'send'])
  })

  test('monotonic clocks differ, wall clocks agree', () => {
    const world = makeWorld()
    const [a, b] = [world.node('a'), world.node('b')]
    expect(a.now).not.toBe(b.now)
    expect(a.now + a.machine.wallOffsetMs).toBe(b.now + b.machine.wallOffsetMs)
    const fault = world.skew('b', 5000)
    expect(b.now + b.machine.wallOffsetMs - (a.now + a.machine.wallOffsetMs)).toBe(5000)
    fault.heal()
    expect(a.now + a.machine.wallOffsetMs).toBe(b.now + b.machine.wallOffsetMs)
  })

  test('a cut is silent, is counted, and what was held arrives after the heal', () => {
    const world = makeWorld()
    world.run(2000)
    const { echoes } = world.node('b').machine
    const before = echoes.length
    expect(before).toBeGreaterThan(10)
    const cut = world.cut('a', 'b')
    world.run(3000)
    const during = echoes.length
    expect(during - before).toBeLessThanOrEqual(1)
    expect(cut.dropped).toBeGreaterThan(0)
    cut.heal()
    world.run(20_000)
    const numbers = echoes.map(Number)
    expect(numbers).toEqual(numbers.toSorted((x, y) => x - y))
    expect(numbers.slice(-150)).toHaveLength(150)
    expect(new Set(numbers).size).toBe(numbers.length)
  })

  test('a crash ends connections, keeps a prefix of the disk; a restart begins anew with it', () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 30; seed++) {
      const world = makeWorld(seed)
      world.run(1000.5)
      const ticked = world.node('b').machine.ticks
      const durable = world.node('b').machine.persisted.length
      const crash = world.crash('b')
      expect(crash.dropped).toBeGreaterThanOrEqual(2)
      expect(world.node('b').alive).toBe(false)
      expect(world.request('b', { type: 'stop' })).toBe(false)
      world.run(1000)
      world.restart('b')
      const ticks = world.node('b').machine.stored
      expect(ticks).toBeGreaterThanOrEqual(durable)
      expect(ticks).toBeLessThanOrEqual(ticked)
      kept.add(ticked - ticks)
      expect(world.node('b').incarnation).toBe(2)
      world.run(8000)
      expect(world.node('b').machine.echoes.length).toBeGreaterThan(5)
    }
    expect([...kept].toSorted((x, y) => x - y)).toEqual([0, 1])
  })

  test('a lost disk is empty', () => {
    const world = makeWorld()
    world.run(1000)
    world.crash('b')
    expect(world.loseDisk('b').dropped).toBe(1)
    world.restart('b')
    expect(world.node('b').machine.stored).toBe(0)
  })

  test('a stalled event loop holds inputs, then learns of its lag first', () => {
    const world = makeWorld()
    world.run(1000)
    const { machine } = world.node('b')
    const before = machine.firstInputs.length
    const stall = world.stall('b', 700)
    world.run(699)
    expect(machine.firstInputs.length).toBe(before)
    expect(stall.dropped).toBeGreaterThan(5)
    world.run(2)
    expect(machine.lags).toEqual([700])
    expect(machine.firstInputs[before]).toBe('lag')
    expect(machine.firstInputs.length - before).toBeGreaterThanOrEqual(stall.dropped)
  })

  test('a machine that spins is caught', () => {
    const world = new World<Ticker>(1, { laneQueueBytesMax: 1 })
    const spinning = (boot: Boot): Ticker => {
      const ticker = new Ticker(boot, [])
      ticker.handle = () => []
      return ticker
    }
    world.add({ name: 'a', address: 'a:1', key: new Uint8Array(32), start: spinning })
    expect(() => world.run(1)).toThrow(/spins/)
  })
})
