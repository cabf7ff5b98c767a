import { describe, expect, test } from 'vitest'
import type { VitalValues } from '@causeway/protocol'
import { APPLICATION_MS, VitalsFeed } from './vitals-feed.ts'

function feedOf(system: VitalValues | undefined): { feed: VitalsFeed; fed: VitalValues[] } {
  const fed: VitalValues[] = []
  const readers = { system: { read: () => Promise.resolve(system ?? {}) }, gpu: { read: () => ({}) } }
  const options = { dataDir: '.', system: system !== undefined, onVitals: (values: VitalValues): unknown => fed.push(values), readers }
  return { feed: new VitalsFeed(options), fed }
}

describe('the feed', () => {
  test('goes on also when nobody tells anything', async () => {
    const { feed, fed } = feedOf(undefined)
    await feed.beat(0)
    await feed.beat(1_000)
    expect(fed).toEqual([{}, {}])
  })

  test('an application adds to what the machine says, stands before it, and is passed on at once', async () => {
    const { feed, fed } = feedOf({ cpu: 10, mem: 20 })
    await feed.beat(0)
    feed.tell(500, { players: 12 })
    feed.tell(600, { cpu: 99 })
    expect(fed).toEqual([
      { cpu: 10, mem: 20 },
      { cpu: 10, mem: 20, players: 12 },
      { cpu: 99, mem: 20, players: 12 },
    ])
  })

  test('what is not repeated for a minute is dropped', async () => {
    const { feed, fed } = feedOf({ cpu: 10 })
    feed.tell(0, { players: 12, cpu: 50 })
    feed.tell(30_000, { players: 13 })
    await feed.beat(APPLICATION_MS - 1)
    expect(fed.at(-1)).toEqual({ cpu: 50, players: 13 })
    await feed.beat(APPLICATION_MS)
    expect(fed.at(-1)).toEqual({ cpu: 10, players: 13 })
    await feed.beat(30_000 + APPLICATION_MS)
    expect(fed.at(-1)).toEqual({ cpu: 10 })
  })

  test.each([
    [null, 'one map'],
    [[1, 2], 'one map'],
    [{ 'two words': 1 }, 'cannot name a vital'],
    [{ __proto__: null, ['x'.repeat(33)]: 1 }, 'cannot name a vital'],
    [{ players: '12' }, 'players is not a number'],
    [{ players: Number.NaN }, 'players is not a number'],
    [{ players: 1e16 }, 'players is not a number'],
    [Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`f${at}`, at])), 'more than 32'],
  ])('%j is refused', (values, reason) => {
    const { feed, fed } = feedOf(undefined)
    expect(() => feed.tell(0, values)).toThrow(reason)
    expect(fed).toEqual([])
  })

  test('several applications together have 32 names of their own, until some have gone', async () => {
    const { feed } = feedOf(undefined)
    const names = (letter: string, count: number): VitalValues =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`${letter}${at}`, at]))
    feed.tell(0, { ...names('a', 20), cpu: 1, load: 2 })
    feed.tell(1, names('b', 12))
    expect(() => feed.tell(2, { one: 1 })).toThrow('more than 32')
    feed.tell(3, names('b', 12))
    await feed.beat(APPLICATION_MS)
    feed.tell(APPLICATION_MS, { one: 1 })
  })
})
