/** Links between nodes of different sites that have much to say to each other: when there is one, what it is worth, and that it goes. */
import { LIMITS } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { describe, expect, test } from 'vitest'
import { checkPings, checkViolations } from './checkers.ts'
import { type Fleet, type FleetOptions, makeFleet } from './fleet.ts'
import { FrameWatch } from './frame-watch.ts'
import { Observations, type PingFlow } from './observations.ts'
import type { RttMatrix } from './planetlab.ts'

const [FROM, TO] = ['site-1-a', 'site-2-a']
const INTERVAL_MS = 50
/** Every way over a hub is twice as long as the direct one. */
const EVEN: RttMatrix = { size: 30, rttMs: (a, b) => (a === b ? 0 : 60) }
const LIMITS_HERE = { ...LIMITS, directAfterMs: 10_000, directIdleMs: 30_000 }

/** A fleet with a steady flow between two sites. */
class Talk {
  readonly fleet: Fleet
  readonly flow: PingFlow
  /** Names of what `FROM` has reported. */
  readonly events: string[] = []
  readonly #observations: Observations<NodeMachine>
  readonly #frames: FrameWatch<NodeMachine>

  constructor(options: Partial<FleetOptions> = {}, seconds = 60) {
    const base = { seed: 4, hubs: 2, sites: 2, nodesPerSite: 1, sitesReachable: 1, matrix: EVEN, limits: LIMITS_HERE }
    this.fleet = makeFleet({ ...base, ...options })
    const { world } = this.fleet
    this.#observations = new Observations(world)
    this.#frames = new FrameWatch(world)
    world.watch((node, effect) => {
      if (node.name === FROM && effect.type === 'event') this.events.push(effect.name)
    })
    world.run(5_000)
    this.flow = this.#observations.ping({ from: FROM, to: TO, count: (seconds * 1_000) / INTERVAL_MS, intervalMs: INTERVAL_MS, bytes: 100 })
  }

  /** Whether it has come to this within so many virtual milliseconds. */
  within(ms: number, condition: () => boolean): boolean {
    return this.fleet.world.runUntil(condition, ms)
  }

  linked(): boolean {
    const { machine, now } = this.fleet.world.node(FROM)
    return machine.links(now).some((link) => link.to === TO && link.state === 'up')
  }

  isDirect(): boolean {
    return this.#paths().find(({ active }) => active)?.hops.length === 1
  }

  #paths(): ReturnType<NodeMachine['paths']>['paths'] {
    const { machine, now } = this.fleet.world.node(FROM)
    return machine.paths(now, TO).paths
  }

  /** Lets the flow end; what is wrong with it, or with anybody. */
  objections(): string[] {
    this.within(120_000, () => this.flow.ended !== undefined)
    return [...checkPings([this.flow]), ...checkViolations(this.#observations.violations), ...this.#frames.objections()]
  }
}

describe('two nodes of different sites', () => {
  test.each([0, 1, 2])('link directly when they have had something to say for long enough, while %i can be dialled', (sitesReachable) => {
    const talk = new Talk({ sitesReachable })
    expect(talk.within(25_000, () => talk.isDirect())).toBe(sitesReachable > 0)
    expect(talk.events.filter((name) => name.startsWith('direct-link'))).toEqual([
      sitesReachable > 0 ? 'direct-link-wanted' : 'direct-link-refused',
    ])
    const { machine, now } = talk.fleet.world.node(FROM)
    expect(machine.status(now).uplinks.map(({ hub }) => hub)).toEqual(['core-1', 'core-2'])
    expect(talk.objections()).toEqual([])
    expect(talk.within(60_000, () => !talk.linked())).toBe(true)
    talk.fleet.world.run(60_000)
    expect(talk.linked()).toBe(false)
  })

  test('keep to the relay where the line between them is the longer way', () => {
    const talk = new Talk()
    talk.fleet.world.slow(FROM, TO, 60)
    expect(talk.within(25_000, () => talk.linked())).toBe(true)
    expect(talk.within(10_000, () => talk.isDirect())).toBe(false)
    expect(talk.objections()).toEqual([])
  })

  test.each([1, 2, 3])('go back to the relay at once when their link is cut, and return to it afterwards, seed %i', (seed) => {
    const talk = new Talk({ seed, sitesReachable: 2 }, 120)
    expect(talk.within(25_000, () => talk.isDirect())).toBe(true)
    talk.fleet.world.run(5_000)
    const before = talk.flow.replies.length
    const cut = talk.fleet.world.cut(FROM, TO)
    talk.fleet.world.run(12_000)
    expect(talk.linked()).toBe(false)
    expect(talk.isDirect()).toBe(false)
    cut.heal()
    expect(cut.dropped).toBeGreaterThan(0)
    expect(talk.within(60_000, () => talk.isDirect())).toBe(true)
    expect(talk.objections()).toEqual([])
    // Two round trips of the way that was cut, and the relay's on top.
    const replies = talk.flow.replies.slice(before - 1)
    expect(Observations.longestGapMs({ ...talk.flow, replies })).toBeLessThan(2 * 60 + 120)
  })

  test('have what they want again after either has been started anew', () => {
    const talk = new Talk({ sitesReachable: 2 }, 200)
    expect(talk.within(25_000, () => talk.isDirect())).toBe(true)
    talk.fleet.world.crash(TO).heal()
    // The flow has ended with the process it led to.
    const again = new Observations(talk.fleet.world)
    again.ping({ from: FROM, to: TO, count: 1_200, intervalMs: INTERVAL_MS, bytes: 100 })
    expect(talk.within(60_000, () => talk.isDirect() && talk.linked())).toBe(true)
    expect(talk.within(120_000, () => again.pings.every((flow) => flow.ended !== undefined))).toBe(true)
    expect(checkPings(again.pings)).toEqual([])
  })
})
