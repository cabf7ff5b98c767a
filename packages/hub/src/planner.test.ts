import { type Advert, type AdvertisedLink, type PlanMessage, instant, nodeId } from '@causeway/protocol'
import { LinkState } from '@causeway/mesh'
import { describe, expect, test } from 'vitest'
import { Planner } from './planner.ts'

const HUBS = ['h1', 'h2', 'h3', 'h4', 'h5', 'h9'] as const

interface HubSpec {
  /** Cost of its links with a and b, and with other hubs. */
  readonly costMs?: number
  readonly coreMs?: number
  readonly draining?: boolean
  /** Its links with a and b lose. */
  readonly impaired?: boolean
  readonly domains?: readonly string[]
}

/** Hubs fully linked, each with a link to a and b; we are h1. */
class Core {
  readonly state = new LinkState(instant(0), { self: nodeId('h1'), name: 'h1', incarnation: 1, domains: [] })
  readonly planner = new Planner(this.state, nodeId('h1'))
  #sequence = 0
  #answers: PlanMessage[] = []

  /** Its answer is the next of the news. */
  subscribe(from: string, to: string): void {
    const answer = this.planner.subscribe(instant(this.#sequence * 10_000), nodeId(from), nodeId(to))
    if (answer) this.#answers.push(answer)
  }

  set(specs: Readonly<Record<string, HubSpec>>): void {
    this.#sequence++
    const there = HUBS.filter((name) => specs[name])
    const link = (name: string, costMs: number, role: 'edge' | 'hub', impaired = false): AdvertisedLink => ({
      ...{ to: nodeId(name), name, site: 's', role, costMs, costBackMs: costMs, impaired, domains: [], behind: [] },
    })
    const adverts = there.map((name): Advert => {
      const { costMs = 10, coreMs = 5, draining = false, impaired = false, domains = [] } = specs[name] ?? {}
      const links = there.filter((other) => other !== name).map((other) => link(other, coreMs, 'hub'))
      links.push(link('a', costMs, 'edge', impaired), link('b', costMs, 'edge', impaired))
      return { origin: nodeId(name), name, incarnation: 1, sequence: this.#sequence, ageMs: 0, draining, domains, links }
    })
    const own = adverts.find(({ name }) => name === 'h1')
    if (own) this.state.advertise(instant(this.#sequence * 10_000), own.links, own.draining)
    this.state.learn(
      instant(this.#sequence * 10_000),
      adverts.filter(({ name }) => name !== 'h1'),
    )
  }

  /** What is told at most so long after the last change, which are 10 s apart, or less if need be. */
  news(afterMs = 0): PlanMessage[] {
    const news = this.planner.takeNews(instant(this.#sequence * 10_000 + afterMs))
    return [...this.#answers.splice(0), ...news.map(({ plan }) => plan)]
  }

  /** The routes that were told, by name, in no order. */
  routes(): string[] {
    const [plan] = this.news()
    return plan ? plan.paths.map(({ route }) => route.map((id) => this.state.nameOf(id)).join(' ')).toSorted() : []
  }
}

function equals(): Core {
  const core = new Core()
  core.set({ h1: {}, h2: {}, h3: {} })
  core.subscribe('a', 'h1')
  return core
}

describe('a plan is told', () => {
  test('when it is asked for, and not again while it is the same', () => {
    const core = equals()
    expect(core.routes()).toEqual(['h1', 'h2 h1', 'h3 h1'])
    expect(core.news()).toEqual([])
    core.subscribe('a', 'h1')
    expect(core.routes()).toHaveLength(3)
  })

  test('no more for noise: other routes that are hardly better, costs that hardly move', () => {
    const core = new Core()
    core.set({ h1: {}, h2: { costMs: 10 }, h3: { costMs: 11 } })
    core.subscribe('a', 'b')
    expect(core.routes()).toEqual(['h1 b', 'h2 b', 'h3 b'])
    for (let round = 0; round < 20; round++) {
      core.set({ h1: { costMs: 10 + (round % 3) }, h2: { costMs: 12 - (round % 2) }, h3: { costMs: 11, coreMs: round % 5 } })
      expect(core.news()).toEqual([])
    }
  })

  test('when a route is gone, and when there is one more', () => {
    const core = equals()
    core.news()
    core.set({ h1: {}, h2: {} })
    expect(core.routes()).toEqual(['h1', 'h2 h1'])
    core.set({ h1: {}, h2: {}, h3: {}, h4: {} })
    expect(core.routes()).toHaveLength(4)
  })

  test('when one costs notably more, or another would cost notably less', () => {
    const core = equals()
    core.news()
    core.set({ h1: {}, h2: { costMs: 40 }, h3: {} })
    expect(core.news()).toHaveLength(1)
    const wide = new Core()
    wide.set({ h1: { costMs: 50 }, h2: { costMs: 50 }, h3: { costMs: 50 }, h4: { costMs: 50 } })
    wide.subscribe('a', 'b')
    wide.news()
    wide.set({ h1: { costMs: 50 }, h2: { costMs: 50 }, h3: { costMs: 50 }, h4: { costMs: 20 } })
    expect(wide.news()).toHaveLength(1)
  })

  test('of mere costs not more often than every 5 s, but then', () => {
    const core = equals()
    core.news()
    core.set({ h1: {}, h2: { costMs: 40 }, h3: {} })
    expect(core.news(9_000)).toHaveLength(1)
    core.set({ h1: {}, h2: { costMs: 70 }, h3: {} })
    expect([core.news(3_000).length, core.planner.waits]).toEqual([0, true])
    expect([core.news(4_000).length, core.planner.waits]).toEqual([1, false])
    core.set({ h1: {}, h2: { costMs: 99 } })
    expect(core.news(-5_000)).toHaveLength(1)
  })

  test('when a hub on it drains', () => {
    const core = equals()
    core.news()
    core.set({ h1: {}, h2: { draining: true }, h3: {}, h4: {} })
    expect(core.routes().join()).not.toContain('h2')
  })

  test('when others would share less, though they cost no less', () => {
    const core = new Core()
    const shared = { domains: ['provider=x'] }
    const four = { h1: { costMs: 12 }, h2: shared, h3: { ...shared, costMs: 11 }, h4: { costMs: 12 } }
    core.set(four)
    core.subscribe('a', 'b')
    expect(core.routes()).toEqual(['h1 b', 'h2 b', 'h3 b', 'h4 b'])
    core.set({ ...four, h5: { costMs: 13 } })
    expect(core.routes()).toEqual(['h1 b', 'h2 b', 'h4 b', 'h5 b'])
    core.set({ ...four, h5: { ...shared, costMs: 13 } })
    expect(core.news()).toHaveLength(0)
  })
})

describe('in a network where something changes all the time', () => {
  /** All plans were just looked at, since the costs of some link have moved. */
  function busy(): Core {
    const core = equals()
    core.subscribe('b', 'h9')
    expect(core.news()).toHaveLength(2)
    core.set({ h1: {}, h2: { costMs: 16 }, h3: {} })
    expect(core.news()).toEqual([])
    return core
  }

  test('better routes wait for the next look', () => {
    const core = busy()
    core.set({ h1: {}, h2: {}, h3: {}, h4: {} })
    expect(core.news(-9_990)).toEqual([])
    expect(core.planner.lookAt).toBe(20_020)
    expect(core.news(-9_980)).toHaveLength(1)
    expect(core.planner.lookAt).toBeUndefined()
  })

  test('a route that is gone, or begins to lose, does not', () => {
    const gone = busy()
    gone.set({ h1: {}, h3: {} })
    expect(gone.news(-9_990)).toHaveLength(1)
    const lossy = busy()
    lossy.set({ h1: {}, h2: { impaired: true }, h3: {} })
    expect(lossy.news(-9_990)).toHaveLength(1)
  })

  test('nor does the first route to where there was none', () => {
    const core = busy()
    core.set({ h1: {}, h2: {}, h3: {}, h9: {} })
    expect(core.news(-9_990).map(({ to }) => to)).toEqual([nodeId('h9')])
  })
})
