import { publisherOf } from '@causeway/hub'
import { VERDICTS, verdictIn } from '@causeway/node'
import { nodeId } from '@causeway/protocol'
import { describe, expect, test } from 'vitest'
import { makeFleet } from './fleet.ts'
import { runVerdictStory } from './verdict-story.ts'
import { VerdictWatch } from './verdict-watch.ts'

describe('verdicts', () => {
  test.each(Array.from({ length: 12 }, (_, index) => index + 1))('seed %i: nobody who is only silent is called dead', (seed) => {
    const { objections } = runVerdictStory(seed)
    expect(objections).toEqual([])
  })

  test('are published by one hub, once for each change, to everybody who is interested', () => {
    const fleet = makeFleet({ seed: 5, hubs: 3, sites: 4, nodesPerSite: 3, interest: ['nodes/region-1/**'] })
    const { world, hubs, edges } = fleet
    const watch = new VerdictWatch(fleet)
    watch.run(25_000)
    const read = (at: string, site: string, node: string): unknown => {
      const record = world.node(at).machine.replica.get(VERDICTS, `region-1/${site}`, node)
      return record && verdictIn(record)?.verdict
    }
    const readers = [...hubs, ...edges]
    for (const { name } of readers)
      for (const edge of edges) expect([name, edge.name, read(name, edge.site, edge.name)]).toEqual([name, edge.name, 'alive'])
    const ids = hubs.map(({ name }) => nodeId(name))
    const documents = world
      .node('site-1-a')
      .machine.replica.heads()
      .filter(({ collection }) => collection === VERDICTS)
    for (const { partition, writer } of documents)
      expect(nodeId(writer)).toBe(publisherOf(partition.slice(partition.indexOf('/') + 1), ids))
    expect(documents).toHaveLength(4)
    const written = (): number => {
      const heads = world
        .node('site-1-a')
        .machine.replica.heads()
        .filter(({ collection }) => collection === VERDICTS)
      return heads.reduce((sum, { logs }) => sum + logs.reduce((all, { seq }) => all + seq, 0), 0)
    }
    const before = written()
    expect(before).toBeGreaterThan(0)
    watch.run(30_000)
    expect(written()).toBe(before)
    world.crash('site-2-b')
    watch.run(4_000)
    for (const { name } of readers) if (name !== 'site-2-b') expect([name, read(name, 'site-2', 'site-2-b')]).toEqual([name, 'crashed'])
    expect(watch.falseCrashes).toBe(0)
  })
})

describe('a site', () => {
  test('finds itself through hubs, and remembers itself without any', () => {
    const { world, hubs } = makeFleet({ seed: 9, hubs: 2, sites: 1, nodesPerSite: 4, introduced: false })
    const site = ['site-1-a', 'site-1-b', 'site-1-c', 'site-1-d']
    const gateways = (): (string | null)[] => site.map((name) => world.node(name).machine.status(world.node(name).now).gateway)
    const uplinks = (name: string): number => {
      const { machine, now } = world.node(name)
      return machine.status(now).uplinks.filter(({ state }) => state === 'up').length
    }
    world.run(20_000)
    expect(gateways()).toEqual(Array.from({ length: 4 }, () => 'site-1-a'))
    expect(site.map(uplinks)).toEqual([2, 2, 0, 0])
    const cut = world.cut(
      site,
      hubs.map(({ name }) => name),
    )
    world.run(8_000)
    expect(cut.dropped).toBeGreaterThan(0)
    world.powerCut(site).heal()
    world.run(15_000)
    expect(new Set(gateways()).size).toBe(1)
    for (const name of site) {
      const { machine, now } = world.node(name)
      expect(machine.status(now)).toMatchObject({ cutOff: true, links: 3 })
      expect(
        machine
          .verdicts(now)
          .map(({ node, verdict }) => `${node} ${verdict}`)
          .toSorted(),
      ).toEqual(site.map((node) => `${node} alive`))
    }
  })

  test('a standby takes over, and a third node takes its place', () => {
    const { world } = makeFleet({ seed: 9, hubs: 2, sites: 1, nodesPerSite: 4 })
    const uplinks = (name: string): number => {
      const { machine, now } = world.node(name)
      return machine.status(now).uplinks.filter(({ state }) => state === 'up').length
    }
    world.run(20_000)
    const dead = world.crash('site-1-a')
    const { machine } = world.node('site-1-b')
    expect(
      world.runUntil(
        () =>
          machine.status(world.node('site-1-b').now).replica.sessions.includes('core-1') ||
          machine.status(world.node('site-1-b').now).replica.sessions.includes('core-2'),
        1_000,
      ),
    ).toBe(true)
    world.run(5_000)
    expect(['site-1-b', 'site-1-c', 'site-1-d'].map(uplinks)).toEqual([2, 2, 0])
    dead.heal()
    world.run(20_000)
    expect(['site-1-a', 'site-1-b', 'site-1-c', 'site-1-d'].map(uplinks)).toEqual([2, 2, 0, 0])
  })
})
