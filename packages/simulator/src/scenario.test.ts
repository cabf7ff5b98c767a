import { describe, expect, test } from 'vitest'
import { makeFleet } from './fleet.ts'
import { Observations } from './observations.ts'
import { runScenario } from './scenario.ts'

describe('scenario', () => {
  test.each([1, 2, 3])('seed %i holds', (seed) => {
    const report = runScenario({ seed, hubs: 2, sites: 3, nodesPerSite: 2, seconds: 10 })
    expect(report.objections).toEqual([])
    expect(report.pings).toMatchObject({ sent: 200, answered: 200 })
    expect(report.faults.length).toBeGreaterThan(3)
  })

  test('the same seed tells the same story', () => {
    const options = { seed: 11, hubs: 2, sites: 2, nodesPerSite: 1, seconds: 5 }
    expect(runScenario(options)).toEqual(runScenario(options))
    expect(runScenario({ ...options, seed: 12 }).trace).not.toBe(runScenario(options).trace)
  })
})

describe('fleet', () => {
  test('a silent cut of the link in use costs an ordered flow nothing but a moment', () => {
    const { world } = makeFleet({ seed: 4, hubs: 3, sites: 3, nodesPerSite: 1 })
    const observations = new Observations(world)
    world.run(5000)
    const flow = observations.ping({ from: 'site-1-a', to: 'site-2-a', count: 400, intervalMs: 10, bytes: 100 })
    world.run(1000)
    const node = world.node('site-1-a')
    const firstHop = node.machine.paths(node.now, 'site-2-a').paths.find((path) => path.active)?.hops[0] ?? ''
    const cut = world.cut('site-1-a', firstHop)
    world.run(10_000)
    expect(cut.dropped).toBeGreaterThan(0)
    expect(flow.ended).toBeNull()
    expect(flow.replies.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 400 }, (_, index) => index))
    // Hedging resends over another path after one probe timeout: nobody has to be declared dead for that.
    const rttMs = Math.max(...flow.replies.slice(0, 50).map((reply) => reply.rttMs))
    expect(Observations.longestGapMs(flow)).toBeLessThan(5 * rttMs + 100)
  })
})
