import { describe, expect, it } from 'vitest'
import { SeededRandom } from '@causeway/protocol'
import { type StoreHarness, describeStoreContract } from '../../../test/contract/store-contract.ts'
import { makeFleet } from './fleet.ts'
import { Observations } from './observations.ts'
import { SimulatedStore, type StoreOptions } from './simulated-store.ts'
import { StateTraffic } from './state-traffic.ts'
import { Timeline } from './timeline.ts'

function runUntil(timeline: Timeline, condition: () => boolean, what: string): void {
  while (!condition()) expect(timeline.step(), `${what} before nothing more happens`).toBe(true)
}

function makeHarness(): Promise<StoreHarness> {
  const timeline = new Timeline()
  const store = new SimulatedStore(timeline, new SeededRandom(5))
  return Promise.resolve({
    reopen: () => {
      const persisted: number[] = []
      return Promise.resolve({
        entries: store.entries(),
        persisted,
        persist: (effect) => store.persist(effect, (ticket) => persisted.push(ticket)),
      })
    },
    waitFor: (condition, what) => {
      runUntil(timeline, condition, what)
      return Promise.resolve()
    },
    stop: () => Promise.resolve(),
  })
}

describeStoreContract('SimulatedStore', makeHarness)

describe('SimulatedStore', () => {
  /** Asks for 50 tickets, lets some become durable, ends, and tells what was reported and what is there. */
  function end(seed: number, how: 'crash' | 'powerCut'): { reported: number; lost: number; found: readonly string[] } {
    const timeline = new Timeline()
    const store = new SimulatedStore(timeline, new SeededRandom(seed))
    let reported = 0
    for (let ticket = 1; ticket <= 50; ticket++) {
      const entries = [`a${ticket}`, `b${ticket}`].map((key) => ({ key, value: Uint8Array.of(ticket) }))
      store.persist({ type: 'persist', ticket, entries }, () => reported++)
    }
    runUntil(timeline, () => reported === 20, '20 tickets')
    const lost = store[how]()
    while (timeline.step());
    return { reported, lost, found: store.entries().map(({ key }) => key) }
  }

  const whole = (tickets: number): string[] =>
    Array.from({ length: tickets }, (_, index) => [`a${index + 1}`, `b${index + 1}`])
      .flat()
      .toSorted()

  it('loses with the power all that was not flushed, and nothing that was', () => {
    for (let seed = 0; seed < 10; seed++) expect(end(seed, 'powerCut')).toEqual({ reported: 20, lost: 30, found: whole(20) })
  })

  it('keeps after a crash a prefix of whole tickets', () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 30; seed++) {
      const { reported, lost, found } = end(seed, 'crash')
      expect(reported).toBe(20)
      expect(found).toEqual(whole(50 - lost))
      kept.add(50 - lost)
    }
    expect(Math.min(...kept)).toBeGreaterThanOrEqual(20)
    expect(kept.size).toBeGreaterThan(5)
  })
})

describe('a power cut of a whole site', () => {
  function writeAndCut(store: StoreOptions): string[] {
    const objections: string[] = []
    for (let seed = 1; seed <= 4; seed++) {
      const fleet = makeFleet({ seed, hubs: 1, sites: 2, nodesPerSite: 2, store })
      const { world } = fleet
      const traffic = new StateTraffic(fleet, new Observations(world), world.fork())
      world.run(5_000)
      for (let round = 0; round < 6; round++) {
        for (let write = 0; write < 8; write++) {
          traffic.write()
          world.run(3)
        }
        const [nodes = []] = [...fleet.sites.values()].slice(round % 2)
        const cut = world.powerCut(nodes)
        expect(cut.dropped).toBeGreaterThan(0)
        world.run(1_000)
        cut.heal()
        world.run(3_000)
      }
      world.run(20_000)
      objections.push(...traffic.check())
    }
    return objections
  }

  it('takes nothing that was acknowledged', () => {
    expect(writeAndCut({ persistMs: 8 })).toEqual([])
  })

  it('is noticed if the disk calls safe what it has not flushed', () => {
    expect(writeAndCut({ persistMs: 8, reportsEarly: true })).not.toEqual([])
  })
})
