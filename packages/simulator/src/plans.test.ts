import { describe, expect, test } from 'vitest'
import type { NodeMachine } from '@causeway/node'
import { checkPings, checkViolations } from './checkers.ts'
import { type Fleet, type FleetOptions, makeFleet } from './fleet.ts'
import { Observations, type PingFlow } from './observations.ts'

/** A fleet that has settled, with a steady flow between two sites. */
function flowing(options: Partial<FleetOptions>, [from, to] = ['site-1-a', 'site-2-a']): Running {
  const fleet = makeFleet({ seed: 4, hubs: 4, sites: 3, nodesPerSite: 1, ...options })
  const observations = new Observations(fleet.world)
  fleet.world.run(8_000)
  const flow = observations.ping({ from, to, count: 3_000, intervalMs: 10, bytes: 100 })
  fleet.world.run(5_000)
  return new Running(fleet, flow, observations)
}

class Running {
  readonly fleet: Fleet
  readonly flow: PingFlow
  readonly #observations: Observations<NodeMachine>

  constructor(fleet: Fleet, flow: PingFlow, observations: Observations<NodeMachine>) {
    this.fleet = fleet
    this.flow = flow
    this.#observations = observations
  }

  /** Names of the nodes on the path in use. */
  path(): readonly string[] {
    const node = this.fleet.world.node(this.flow.from)
    return node.machine.paths(node.now, this.flow.to).paths.find(({ active }) => active)?.hops ?? []
  }

  /** How long it takes until the path in use is not what it was, ms. */
  leaves(withinMs: number, before: readonly string[]): number {
    const { world } = this.fleet
    const began = world.now
    const left = world.runUntil(() => this.path().join() !== before.join(), withinMs)
    return left ? world.now - began : Number.POSITIVE_INFINITY
  }

  longestGapMs(): number {
    return Observations.longestGapMs(this.flow)
  }

  rttMs(): number {
    return Math.max(...this.flow.replies.slice(0, 100).map((reply) => reply.rttMs))
  }

  /** Lets the flow end; what is wrong with it, or with anybody. */
  objections(): string[] {
    this.fleet.world.runUntil(() => this.flow.ended !== undefined, 60_000)
    return [...checkPings([this.flow]), ...checkViolations(this.#observations.violations)]
  }
}

describe('a path that loses', () => {
  test.each([1, 2, 3, 4, 5])('one packet in five each way on its first link is left within 3 s, seed %i', (seed) => {
    const running = flowing({ seed })
    const before = running.path()
    running.fleet.world.setLoss(running.flow.from, before[0] ?? '', 0.2)
    expect(running.leaves(10_000, before)).toBeLessThan(3_000)
    expect(running.objections()).toEqual([])
  })

  test.each([1, 2, 3, 4, 5])('one packet in five each way on its last link is left within 3 s, seed %i', (seed) => {
    const running = flowing({ seed })
    const before = running.path()
    running.fleet.world.setLoss(before.at(-2) ?? '', running.flow.to, 0.2)
    expect(running.leaves(10_000, before)).toBeLessThan(3_000)
    expect(running.objections()).toEqual([])
  })
})

describe('drain', () => {
  test('moves the flows off the hub at once, nothing lost, hardly a pause; undrain lets them come back', () => {
    const running = flowing({})
    const { world, edges } = running.fleet
    const before = running.path()
    const hub = before[0] ?? ''
    expect(hub).toMatch(/^core/)
    world.request(hub, { type: 'drain', draining: true })
    expect(running.leaves(2_000, before)).toBeLessThan(running.rttMs() + 100)
    world.run(3_000)
    const node = world.node(hub)
    const relayed = node.machine.status(node.now).relay?.frames
    world.run(5_000)
    expect(node.machine.status(node.now).relay).toMatchObject({ draining: true, frames: relayed, framesPerSecond: 0 })
    for (const { name } of edges) {
      const edge = world.node(name)
      const { uplinks } = edge.machine.status(edge.now)
      expect(uplinks.find((uplink) => uplink.hub === hub)).toMatchObject({ draining: true, home: false })
      expect(uplinks.filter(({ home }) => home)).toHaveLength(1)
      expect(edge.machine.planHub()).not.toBe(hub)
    }
    expect(running.longestGapMs()).toBeLessThan(running.rttMs() + 20)
    world.request(hub, { type: 'drain', draining: false })
    // Back to what was first used only if it is better by more than a move is worth; but it may be used again.
    const { from, to } = running.flow
    const again = (): boolean => {
      const { paths } = world.node(from).machine.paths(world.node(from).now, to)
      const own = paths.find(({ hops, state }) => hops[0] === hub && state === 'up')
      const active = paths.find((path) => path.active)
      if (!own || !active || own.costMs === null || active.costMs === null) return false
      return own.active || active.costMs - own.costMs <= Math.max(10, 0.1 * active.costMs)
    }
    expect(world.runUntil(again, 20_000)).toBe(true)
    expect(running.objections()).toEqual([])
    expect(running.longestGapMs()).toBeLessThan(running.rttMs() + 20)
  })

  test('dials another hub in place of one that drains', () => {
    const { world, hubs } = makeFleet({ seed: 4, hubs: 4, sites: 2, nodesPerSite: 1, uplinks: 2 })
    world.run(5_000)
    const edge = world.node('site-1-a')
    const uplinks = (): string[] => edge.machine.status(edge.now).uplinks.map(({ hub }) => hub)
    expect(uplinks()).toHaveLength(2)
    world.request(uplinks()[0] ?? '', { type: 'drain', draining: true })
    expect(world.runUntil(() => uplinks().length === 3, 5_000)).toBe(true)
    expect(hubs).toHaveLength(4)
  })
})

describe('nodes without uplinks', () => {
  const sites = { nodesPerSite: 3, gatewaysPerSite: 2 }

  test('reach each other through the gateways of their sites', () => {
    const running = flowing(sites, ['site-1-c', 'site-2-c'])
    const path = running.path()
    expect(path[0]).toMatch(/^site-1-[ab]$/)
    expect(path.at(-2)).toMatch(/^site-2-[ab]$/)
    expect(running.objections()).toEqual([])
  })

  test.each([
    ['own', 0],
    ['other', -2],
  ])('the death of the gateway of the %s site costs a moment', (_, at) => {
    const running = flowing(sites, ['site-1-c', 'site-2-c'])
    running.fleet.world.crash(running.path().at(at) ?? '')
    expect(running.objections()).toEqual([])
    expect(running.longestGapMs()).toBeLessThan(2 * running.rttMs() + 100)
  })

  test('a gateway whose uplinks come and go loses its office to one whose uplinks stay, until they have held for a while', () => {
    const running = flowing(sites, ['site-1-c', 'site-2-a'])
    const { world, hubs } = running.fleet
    const offices: unknown[] = []
    world.watch(({ name }, effect) => {
      if (name === 'site-1-c' && effect.type === 'event' && effect.name === 'gateway-changed') offices.push(effect.data['gateway'])
    })
    for (let times = 0; times < 5; times++) {
      const fault = world.cut(
        ['site-1-a'],
        hubs.map(({ name }) => name),
      )
      world.run(3_000)
      fault.heal()
      world.run(8_000)
    }
    expect(offices.length).toBeLessThan(5)
    expect(offices.at(-1)).toBe('site-1-b')
    world.run(60_000)
    expect(offices.at(-1)).toBe('site-1-a')
    expect(running.objections()).toEqual([])
    expect(running.longestGapMs()).toBeLessThan(2 * running.rttMs() + 100)
  })

  test('no gateway carries what concerns nobody of its site', () => {
    const running = flowing(sites, ['site-1-c', 'site-2-c'])
    expect(running.objections()).toEqual([])
    expect(running.path().filter((name) => name.startsWith('site-3'))).toEqual([])
  })
})

test('any three of four hubs may die: every pair still talks', () => {
  const running = flowing({ seed: 9 })
  const { world, hubs } = running.fleet
  for (const { name } of hubs.slice(0, 3)) {
    world.crash(name)
    world.run(1_000)
  }
  expect(running.objections()).toEqual([])
})

test('hubs whose control functions are dead, but which relay: plans in hand are kept, and failover goes on', () => {
  const running = flowing({})
  const { world, hubs } = running.fleet
  // What is done of its own accord or upon a control message ends; frames are another matter.
  for (const { name } of hubs)
    Object.assign(world.node(name).machine, { control: () => {}, decide: () => {}, nextDecision: () => undefined })
  world.run(1_000)
  const before = running.path()
  world.cut(running.flow.from, before[0] ?? '')
  expect(running.leaves(2_000, before)).toBeLessThan(2_000)
  const second = running.path()
  expect(second[0]).not.toBe(before[0])
  world.run(2_000)
  world.cut(second.at(-2) ?? '', running.flow.to)
  expect(running.leaves(2_000, second)).toBeLessThan(2_000)
  expect(running.objections()).toEqual([])
  expect(running.longestGapMs()).toBeLessThan(5 * running.rttMs() + 100)
})

test('explains a plan with the costs of its steps and the reasons for the rest', () => {
  const running = flowing({ hubs: 6 })
  const { world } = running.fleet
  const hub = world.node('core-1').machine
  const { candidates } = hub.explain('site-1-a', 'site-2-a') ?? { candidates: [] }
  expect(candidates[0]).toMatchObject({ planned: true, reason: 'the cheapest' })
  // The one in use was the cheapest when it was told: among what costs about the same it may be another now.
  expect(candidates.map(({ hops }) => hops[0])).toContain(running.path()[0])
  for (const { steps, costMs } of candidates) expect(steps.reduce((sum, step) => sum + (step.costMs ?? NaN), 0)).toBeCloseTo(costMs, 0)
  expect(candidates.filter(({ planned }) => planned).length).toBeGreaterThan(1)
  const drained = running.path()[0] ?? ''
  world.request(drained, { type: 'drain', draining: true })
  world.run(1_000)
  const after = hub.explain('site-1-a', 'site-2-a')
  expect(after?.excluded).toEqual([{ hub: drained, reason: 'drains' }])
  expect(after?.candidates.find(({ hops }) => hops.includes(drained))).toMatchObject({ planned: false, reason: `${drained} drains` })
  expect(world.node('site-1-a').machine.explain('site-1-a', 'site-2-a')).toBeNull()
})

test.each([1, 2, 3])('a site with one uplink left: the last link of its way is cut, and left within round trips, seed %i', (seed) => {
  const fleet = makeFleet({ seed, hubs: 3, sites: 2, nodesPerSite: 1, nat: true })
  const { world } = fleet
  const observations = new Observations(world)
  for (const hub of ['core-2', 'core-3']) world.cut('site-1-a', hub)
  world.run(15_000)
  const flow = observations.ping({ from: 'site-1-a', to: 'site-2-a', count: 1_500, intervalMs: 10, bytes: 100 })
  world.run(5_000)
  const running = new Running(fleet, flow, observations)
  const before = running.path()
  world.cut(before.at(-2) ?? '', 'site-2-a')
  expect(running.leaves(5_000, before)).toBeLessThan(300)
  expect(running.path()[0]).toBe('core-1')
  expect(running.objections()).toEqual([])
  expect(running.longestGapMs()).toBeLessThan(3 * Math.min(...flow.replies.map(({ rttMs }) => rttMs)) + 100)
})
